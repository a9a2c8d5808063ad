// Part of every build of the engine: fails where the engine could include Python's headers.
#if __has_include(<Python.h>)
#error "Python.h is on the engine's include path; src/channel/ must not know Python"
#endif
