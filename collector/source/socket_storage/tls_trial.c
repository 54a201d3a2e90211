/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/tls_trial.h"

#include <bpf/libbpf.h>

#include "collector/base/base.h"
#include "collector/source/socket_storage/tls_probes.h"

static int try_in_silence(struct eye_features *features, struct eye_error *ret_error)
{
    struct eye_tls_links links;
    int result = eye_tls_links_find(&links, ret_error);
    return result != 0
               ? result
               : eye_tls_probes_try(&links,
                                    eye_helper_allowed(features, EYE_HELPER_TRACING_READS_STRINGS),
                                    features->config->protocols.tls, ret_error);
}

int eye_tls_try(struct eye_features *features, struct eye_error *ret_error)
{
    int result = eye_decoder_open(EYE_MACHINE_OWN, ret_error);
    if (result == 0) {
        /* What it would print is in the message, as far as it is worth it. */
        libbpf_print_fn_t printer = libbpf_set_print(NULL);
        result = try_in_silence(features, ret_error);
        libbpf_set_print(printer);
    }
    return result;
}
