// Defines GRIDCOMPUTE_SANITIZED under the address or thread sanitizer, which gcc and clang announce differently.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRIDCOMPUTE_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GRIDCOMPUTE_SANITIZED
#endif
#endif
