/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that ask the running daemon. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/output.h"
#include "collector/commands.h"
#include "collector/control/client.h"
#include "collector/control/status.h"

/* A daemon that answers answers at once, unless it starts, stops or reloads. */
#define STATUS_TIMEOUT_S 10

/* What exporters have to finish takes shutdown_timeout at most, which is 5 min at most. */
#define RELOAD_TIMEOUT_S 330

/* The answer to a request as an object, which the caller owns; NULL, with the exit code in
 * @ret_code, when there is none. */
static json_t *ask(const struct eye_options *options, const char *method, const char *target,
                   unsigned timeout_s, int *ret_code)
{
    const char *path = options->socket != NULL ? options->socket : EYE_CONTROL_DEFAULT_SOCKET;
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    struct eye_error error = {""};
    eye_text_init(&body, EYE_CLIENT_ANSWER_MAX);
    int result = eye_client_ask(path, method, target, timeout_s, &body, &error);
    json_t *answer = result < 0 ? NULL : json_loads(eye_text_string(&body), 0, NULL);
    if (answer == NULL) {
        fprintf(stderr, "sockeye: %s\n",
                result < 0 ? error.text
                           : eye_trim(body.data == NULL ? error.text : body.data, "\n"));
    }
    bool away = result == -ECONNREFUSED || result == -ENOENT;
    *ret_code = away ? EYE_EXIT_PARTLY : EYE_EXIT_FAILURE;
    return answer;
}

static void print_status(const json_t *status)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, EYE_STATUS_TEXT_MAX);
    eye_status_write(status, eye_output_has_colour(STDOUT_FILENO), &text);
    fputs(eye_text_string(&text), stdout);
}

int eye_command_status(const struct eye_options *options)
{
    int code = EYE_EXIT_FAILURE;
    json_t *status = ask(options, "GET", "/status", STATUS_TIMEOUT_S, &code);
    if (status == NULL) {
        return code;
    }
    if (options->json) {
        json_dumpf(status, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        print_status(status);
    }
    const char *word = json_string_value(json_object_get(status, "status"));
    bool healthy = word != NULL && strcmp(word, "healthy") == 0;
    json_decref(status);
    return healthy ? EYE_EXIT_OK : EYE_EXIT_FAILURE;
}

int eye_command_reload(const struct eye_options *options)
{
    int code = EYE_EXIT_FAILURE;
    json_t *answer = ask(options, "POST", "/reload", RELOAD_TIMEOUT_S, &code);
    if (answer == NULL) {
        return code;
    }
    const char *message = json_string_value(json_object_get(answer, "message"));
    bool reloaded = json_is_true(json_object_get(answer, "reloaded"));
    fprintf(reloaded ? stdout : stderr, "%s\n", message == NULL ? "" : message);
    json_decref(answer);
    return reloaded ? EYE_EXIT_OK : EYE_EXIT_FAILURE;
}
