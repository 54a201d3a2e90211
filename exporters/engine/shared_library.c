/* SPDX-License-Identifier: Apache-2.0 */
/* dlopen and dlsym. */
#include "exporters/engine/shared_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static void cleanup_library(void **library)
{
    if (*library != NULL) {
        dlclose(*library);
    }
}

int eye_shared_library_open(const char *file, const char *package, const struct eye_symbol *symbols,
                            size_t count, void *table, struct eye_error *ret_error)
{
    EYE_CLEANUP(cleanup_library) void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return eye_error_set(ret_error, -ELIBACC, "cannot load %s: %s; install %s", file, dlerror(),
                             package);
    }
    for (size_t i = 0; i < count; i++) {
        if (dlsym(library, symbols[i].name) == NULL) {
            return eye_error_set(ret_error, -ELIBACC, "%s has no %s; install a newer %s", file,
                                 symbols[i].name, package);
        }
    }
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(library, symbols[i].name);
        memcpy((char *)table + symbols[i].offset, &function, sizeof(function));
    }
    library = NULL; /* stays */
    return 0;
}
