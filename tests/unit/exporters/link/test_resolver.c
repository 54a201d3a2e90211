/* SPDX-License-Identifier: Apache-2.0 */
/* Names that move, fail and have several addresses; no name server is asked. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "exporters/link/resolver.h"

/* Its interface does not exist, so it has no address. */
#define UNRESOLVABLE "fe80::1%no-such-if"

struct fixture {
    struct eye_resolver resolver;
    struct eye_export_failure failure;
    bool moved;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    eye_resolver_init(&fixture->resolver, "127.0.0.1", "8125", SOCK_DGRAM);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_resolver_done(&fixture->resolver);
    free(fixture);
    return 0;
}

static int ask(struct fixture *fixture)
{
    fixture->moved = false;
    return eye_resolver_ask(&fixture->resolver, &fixture->moved, &fixture->failure);
}

static void assert_current(const struct fixture *fixture, const char *expected)
{
    char text[INET6_ADDRSTRLEN];
    const struct addrinfo *current = fixture->resolver.current;
    getnameinfo(current->ai_addr, current->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    assert_string_equal(text, expected);
}

static void resolver__is_due_at_first_and_after_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    assert_true(eye_resolver_is_due(&fixture->resolver));
    assert_int_equal(ask(fixture), 0);
    assert_true(fixture->moved);
    assert_false(eye_resolver_is_due(&fixture->resolver));
    fixture->resolver.refused = true;
    assert_true(eye_resolver_is_due(&fixture->resolver));
    fixture->resolver.refused = false;
    fixture->resolver.resolve_at_ns = 0;
    assert_true(eye_resolver_is_due(&fixture->resolver));
}

static void resolver__follows_a_name_that_moves(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture), 0);
    assert_int_equal(ask(fixture), 0);
    assert_false(fixture->moved);
    fixture->resolver.host = "127.0.0.2";
    assert_int_equal(ask(fixture), 0);
    assert_true(fixture->moved);
    assert_current(fixture, "127.0.0.2");
}

static void resolver__keeps_the_last_address(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture), 0);
    fixture->resolver.host = UNRESOLVABLE;
    fixture->resolver.refused = true;
    assert_int_equal(ask(fixture), 0);
    assert_false(fixture->moved);
    assert_false(fixture->resolver.refused);
    assert_current(fixture, "127.0.0.1");
}

static void resolver__without_any_address_says_so(void **state)
{
    struct fixture *fixture = *state;
    fixture->resolver.host = UNRESOLVABLE;
    assert_int_equal(ask(fixture), -EDESTADDRREQ);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_UNRESOLVED);
    assert_non_null(strstr(fixture->failure.cause.text, UNRESOLVABLE));
    assert_null(fixture->resolver.current);
}

/* Names that every Linux has two addresses for are rare; "" and NULL stand for both loopbacks. */
static void resolver__takes_the_next_address_in_turn(void **state)
{
    struct fixture *fixture = *state;
    fixture->resolver.host = NULL;
    assert_int_equal(ask(fixture), 0);
    const struct addrinfo *first = fixture->resolver.list;
    size_t count = 0;
    for (const struct addrinfo *each = first; each != NULL; each = each->ai_next) {
        count++;
    }
    for (size_t i = 1; i <= 2 * count; i++) {
        fixture->resolver.refused = true;
        assert_int_equal(ask(fixture), 0);
        size_t place = 0;
        for (const struct addrinfo *each = fixture->resolver.list;
             each != fixture->resolver.current; each = each->ai_next) {
            place++;
        }
        assert_int_equal(place, i % count);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(resolver__is_due_at_first_and_after_a_refusal),
        TEST(resolver__follows_a_name_that_moves),
        TEST(resolver__keeps_the_last_address),
        TEST(resolver__without_any_address_says_so),
        TEST(resolver__takes_the_next_address_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
