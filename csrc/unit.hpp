// What each unit includes first: a source made by the build (build_support.py, Makefile), which includes sources of one
// folder. So names in unnamed namespaces are unique in their folder.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC takes types of an included source for those of a header, which other sources would define otherwise.
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
