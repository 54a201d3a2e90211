/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one request, for tests whose receivers and proxies are other programs:
 *
 *   http_send URL [PROXY]
 *
 * Prints "answer STATUS", or the reason of the failure and its cause.
 */
#include <stdio.h>

#include "exporters/http/client.h"

#define TIMEOUT_NS (5 * EYE_NS_PER_SECOND)

static void send_request(struct eye_client *http, const char *url)
{
    const struct eye_client_request request = {
        .method = "POST", .url = url, .body = "points", .length = 6};
    struct eye_client_answer answer = {0};
    struct eye_export_failure failure = {0};
    if (eye_client_send(http, &request, &answer, &failure) == 0) {
        printf("answer %ld\n", answer.status);
    } else {
        printf("%s: %s\n", eye_export_reason_name(failure.reason), failure.cause.text);
    }
}

int main(int count, char **arguments)
{
    struct eye_export_stats stats = {0};
    struct eye_deadline deadline = {.at_ns = UINT64_MAX};
    const struct eye_exporter_setup setup = {.stats = &stats, .deadline = &deadline};
    const struct eye_client_settings settings = {
        .timeout_ns = TIMEOUT_NS,
        .proxy = count == 3 ? arguments[2] : NULL,
        .tls.verify = true,
    };
    struct eye_client *http = NULL;
    struct eye_error error = {0};
    if (count < 2 || count > 3 || eye_client_new(&settings, &setup, &http, &error) != 0) {
        printf("new: %s\n", error.text);
        return EXIT_FAILURE;
    }
    send_request(http, arguments[1]);
    eye_client_free(http);
    return EXIT_SUCCESS;
}
