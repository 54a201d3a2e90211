/* SPDX-License-Identifier: Apache-2.0 */
/* What is said where the tree cannot be opened; attaching is tested live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "collector/payload/payload.h"

static const struct eye_payload_type *const payload = &eye_payload_cgroup_skb;

static char nowhere[] = "/nonexistent/tree";
static char proc[] = "/proc";
static const struct eye_config config = {.source = {.proc = proc, .cgroup = nowhere}};

static void cgroup_skb_open__says_what_is_missing(void **state)
{
    (void)state;
    struct eye_features features;
    struct eye_error error = {""};
    eye_features_init(&features, &config);
    assert_int_equal(payload->open(&features, &error), -ENOENT);
    assert_string_equal(
        error.text,
        "connects without a route, overflows of listeners, UDP and requests of protocols are "
        "not seen: cgroup v2 root: "
        "/nonexistent/tree: No such file or directory; set source.cgroup to a directory of a "
        "mounted "
        "cgroup v2 tree, or leave it out");
}

/* The answer that is remembered is not the reason then. */
static void cgroup_skb_open__says_why_when_the_tree_went_since(void **state)
{
    (void)state;
    struct eye_features features;
    struct eye_error error = {""};
    eye_features_init(&features, &config);
    eye_feature_ask(&features, payload->feature);
    features.states[payload->feature].available = EYE_ANSWER_YES;
    assert_int_equal(payload->open(&features, &error), -ENOENT);
    assert_non_null(strstr(error.text, "requests of protocols are not seen: cgroup v2 root: "
                                       "/nonexistent/tree: No such file or directory; "));
}

static void cgroup_skb_attach__hands_on_why_there_is_no_place(void **state)
{
    (void)state;
    errno = 0;
    assert_null(payload->attach(NULL, -ENOTSUP));
    assert_int_equal(errno, ENOTSUP);
}

static void cgroup_skb_remedy__knows_two_causes(void **state)
{
    (void)state;
    assert_non_null(strstr(payload->remedy(E2BIG), "64 programs"));
    assert_non_null(strstr(payload->remedy(EPERM), "beside it"));
    assert_null(payload->remedy(EINVAL));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cgroup_skb_open__says_what_is_missing),
        cmocka_unit_test(cgroup_skb_open__says_why_when_the_tree_went_since),
        cmocka_unit_test(cgroup_skb_attach__hands_on_why_there_is_no_place),
        cmocka_unit_test(cgroup_skb_remedy__knows_two_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
