def clusters_page(operator): return ""
