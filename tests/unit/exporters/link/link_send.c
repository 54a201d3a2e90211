/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends each line of its input over one link, for tests whose receivers are scripts:
 *
 *   link_send URL CA_FILE [CERT_FILE KEY_FILE]
 *
 * Prints a line for each line: "confirmed", or the reason of the failure and its cause. A line
 * "wait" is not sent: the program sleeps for 200 ms.
 */
#include <stdio.h>
#include <string.h>

#include "exporters/link/link.h"

static void send_line(struct eye_link *link, const char *line)
{
    struct eye_export_failure failure = {0};
    bool sent = eye_link_open(link, &failure) == 0 &&
                eye_link_send(link, line, strlen(line), &failure) == 0 &&
                eye_link_confirm(link, true, &failure) == EYE_CONFIRMED;
    if (sent) {
        printf("confirmed\n");
    } else {
        printf("%s: %s\n", eye_export_reason_name(failure.reason), failure.cause.text);
    }
    fflush(stdout);
}

static void send_lines(struct eye_link *link)
{
    char line[65536];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, "wait\n") == 0) {
            usleep(200000);
        } else {
            send_line(link, line);
        }
    }
}

int main(int count, char **arguments)
{
    struct eye_export_stats stats = {0};
    struct eye_deadline deadline = {.at_ns = UINT64_MAX};
    const struct eye_exporter_setup setup = {.stats = &stats, .deadline = &deadline};
    struct eye_link_address address;
    if ((count != 3 && count != 5) ||
        eye_link_parse(arguments[1], NULL, EYE_LINK_ANY, &address) != 0) {
        return EXIT_FAILURE;
    }
    const struct eye_tls_settings tls = {
        .ca_file = arguments[2],
        .cert_file = count == 5 ? arguments[3] : NULL,
        .key_file = count == 5 ? arguments[4] : NULL,
        .verify = true,
    };
    struct eye_link *link = NULL;
    struct eye_error error = {0};
    if (eye_link_new(&address, &tls, &setup, &link, &error) != 0) {
        printf("new: %s\n", error.text);
        return EXIT_FAILURE;
    }
    send_lines(link);
    eye_link_free(link);
    return EXIT_SUCCESS;
}
