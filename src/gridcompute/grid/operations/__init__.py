"""A grid operated hour by hour: plan, commit the hour, record what it brought, go on."""
