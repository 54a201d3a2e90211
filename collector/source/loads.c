/* SPDX-License-Identifier: Apache-2.0 */
/* Counters by asset and result. */
#include "collector/source/loads.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "collector/base/base.h"

static atomic_uint_fast64_t counts[EYE_ASSET_COUNT][EYE_LOAD_RESULT_COUNT];

/* libbpf's word for BTF that cannot be read is ESRCH. */
static const struct {
    int error;
    enum eye_load_result result;
} results[] = {
    {0, EYE_LOAD_SUCCESS},        {ESRCH, EYE_LOAD_NO_BTF},     {EPERM, EYE_LOAD_NO_RIGHTS},
    {ENOMEM, EYE_LOAD_NO_MEMORY}, {EMFILE, EYE_LOAD_NO_MEMORY}, {ENFILE, EYE_LOAD_NO_MEMORY},
};

const char *eye_asset_name(enum eye_asset asset)
{
    static const char *const names[] = {[EYE_ASSET_TIER] = "socket_storage",
                                        [EYE_ASSET_ROWS] = "rows",
#define X(identifier, name) [EYE_ASSET_##name] = #name,
                                        EYE_PROTOCOLS(X)
#undef X
    };
    return names[asset];
}

const char *eye_load_result_name(enum eye_load_result result)
{
    static const char *const names[] = {
#define X(identifier, name) name,
        EYE_LOAD_RESULTS(X)
#undef X
    };
    return names[result];
}

enum eye_asset eye_asset_of(enum eye_protocol protocol)
{
    return (enum eye_asset)(EYE_ASSET_BEFORE_PROTOCOLS + (int)protocol);
}

static enum eye_load_result result_of(int error)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(results); i++) {
        if (results[i].error == error) {
            return results[i].result;
        }
    }
    return EYE_LOAD_REFUSED;
}

int eye_load_note(enum eye_asset asset, int result)
{
    atomic_fetch_add(&counts[asset][result_of(-result)], 1);
    return result;
}

void eye_load_note_not_tried(enum eye_asset asset)
{
    atomic_fetch_add(&counts[asset][EYE_LOAD_NOT_TRIED], 1);
}

uint64_t eye_load_count(enum eye_asset asset, enum eye_load_result result)
{
    return atomic_load(&counts[asset][result]);
}
