/* SPDX-License-Identifier: Apache-2.0 */
/* What scrapers, browsers and broken clients send, and what they get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/openmetrics/negotiate.h"

static void negotiate_format__follows_quality(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum eye_page_format format;
    } cases[] = {
        {NULL, EYE_PAGE_TEXT},
        {"", EYE_PAGE_TEXT},
        {"*/*", EYE_PAGE_TEXT},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", EYE_PAGE_TEXT},
        {"application/openmetrics-text", EYE_PAGE_OPENMETRICS},
        {"Application/OpenMetrics-Text; Version=1.0.0", EYE_PAGE_OPENMETRICS},
        {"application/openmetrics-text;version=\"1.0.0\"", EYE_PAGE_OPENMETRICS},
        {"application/openmetrics-text;version=0.0.1", EYE_PAGE_TEXT},
        {"application/openmetrics-text;version=2.0.0,text/plain", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=0", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=0.000,*/*", EYE_PAGE_TEXT},
        {"application/openmetrics-text,text/plain", EYE_PAGE_OPENMETRICS},
        {"text/plain,application/openmetrics-text", EYE_PAGE_OPENMETRICS},
        {"text/plain,application/openmetrics-text;q=0.9", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=0.5,*/*", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=0.5,*/*;q=0.1", EYE_PAGE_OPENMETRICS},
        {"application/openmetrics-text;q=0.5,text/*;q=0.9", EYE_PAGE_TEXT},
        /* The most exact range counts, not the kindest. */
        {"application/openmetrics-text;q=0.5,*/*,text/plain;q=0.1", EYE_PAGE_OPENMETRICS},
        {"application/openmetrics-text;q=0.5,text/plain;version=1.0.0,*/*;q=0.1",
         EYE_PAGE_OPENMETRICS},
        /* Prometheus 2.42, without and with native histograms, and 3. */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q="
         "0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         EYE_PAGE_OPENMETRICS},
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
         "delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/"
         "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         EYE_PAGE_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/"
         "openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
         "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         EYE_PAGE_OPENMETRICS},
        /* Nothing that suits, and nonsense. */
        {"application/json", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=2", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=1.001", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=0.12345", EYE_PAGE_TEXT},
        {"application/openmetrics-text;q=-1", EYE_PAGE_TEXT},
        {";;;,,,;q=,=\"", EYE_PAGE_TEXT},
        {"x;a=\"text/plain, application/openmetrics-text\"", EYE_PAGE_TEXT},
        {"x;a=\"\\\"\",application/openmetrics-text", EYE_PAGE_OPENMETRICS},
        {" \t application/openmetrics-text \t ; \t q=0.1 ", EYE_PAGE_OPENMETRICS},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        if (eye_negotiate_format(cases[i].accept) != cases[i].format) {
            fail_msg("%s", cases[i].accept);
        }
    }
}

static void negotiate_gzip__follows_quality(void **state)
{
    (void)state;
    static const struct {
        const char *accept_encoding;
        bool gzip;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZIP", true},
        {"deflate, gzip;q=0.5, br", true},
        {"gzip;q=0", false},
        {"gzip;q=0, *", false},
        {"*, gzip;q=0", false},
        {"*", true},
        {"*;q=0", false},
        {"identity", false},
        {"gzipped", false},
        {"gzip;q=x", false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        if (eye_negotiate_gzip(cases[i].accept_encoding) != cases[i].gzip) {
            fail_msg("%s", cases[i].accept_encoding);
        }
    }
}

static void content_type__is_exact(void **state)
{
    (void)state;
    assert_string_equal(eye_page_content_type(EYE_PAGE_TEXT),
                        "text/plain; version=0.0.4; charset=utf-8");
    assert_string_equal(eye_page_content_type(EYE_PAGE_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(negotiate_format__follows_quality),
        cmocka_unit_test(negotiate_gzip__follows_quality),
        cmocka_unit_test(content_type__is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
