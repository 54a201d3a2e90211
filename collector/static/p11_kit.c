/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libgnutls.a wants of p11-kit, of which no archive exists: it opens modules of smart cards at
 * run time, which a static program must not. Nothing of it is called, because keys and certificates
 * are files here (exporters/http/tls.h, exporters/openmetrics/certificate.h), never "pkcs11:...";
 * if it were: there is no module, no memory for a URI, and no PIN.
 */
#include <p11-kit/p11-kit.h>
#include <p11-kit/pin.h>
#include <p11-kit/uri.h>

#define FUNCTIONS(X)                                                                               \
    X(CK_FUNCTION_LIST **, modules_load, (const char *reserved, int flags), NULL)                  \
    X(CK_FUNCTION_LIST *, module_load, (const char *path, int flags), NULL)                        \
    X(CK_RV, module_finalize, (CK_FUNCTION_LIST * module), CKR_FUNCTION_NOT_SUPPORTED)             \
    X(char *, module_get_name, (CK_FUNCTION_LIST * module), NULL)                                  \
    X(int, module_get_flags, (CK_FUNCTION_LIST * module), 0)                                       \
    X(char *, config_option, (CK_FUNCTION_LIST * module, const char *option), NULL)                \
    X(const char *, message, (void), NULL)                                                         \
    X(const char *, strerror, (CK_RV code), "PKCS#11 is not supported")                            \
    X(size_t, space_strlen, (const unsigned char *text, size_t size), 0)                           \
    X(char *, space_strdup, (const unsigned char *text, size_t size), NULL)                        \
    X(P11KitUri *, uri_new, (void), NULL)                                                          \
    X(int, uri_parse, (const char *text, P11KitUriType type, P11KitUri *uri),                      \
      P11_KIT_URI_UNEXPECTED)                                                                      \
    X(int, uri_format, (P11KitUri * uri, P11KitUriType type, char **text), P11_KIT_URI_UNEXPECTED) \
    X(CK_INFO_PTR, uri_get_module_info, (P11KitUri * uri), NULL)                                   \
    X(int, uri_match_module_info, (const P11KitUri *uri, const CK_INFO *info), 0)                  \
    X(CK_TOKEN_INFO_PTR, uri_get_token_info, (P11KitUri * uri), NULL)                              \
    X(int, uri_match_token_info, (const P11KitUri *uri, const CK_TOKEN_INFO *info), 0)             \
    X(CK_ATTRIBUTE_PTR, uri_get_attribute, (P11KitUri * uri, CK_ATTRIBUTE_TYPE type), NULL)        \
    X(CK_ATTRIBUTE_PTR, uri_get_attributes, (P11KitUri * uri, CK_ULONG * count), NULL)             \
    X(int, uri_set_attribute, (P11KitUri * uri, CK_ATTRIBUTE_PTR attribute),                       \
      P11_KIT_URI_NO_MEMORY)                                                                       \
    X(const char *, uri_get_pin_value, (const P11KitUri *uri), NULL)                               \
    X(const char *, uri_get_pin_source, (const P11KitUri *uri), NULL)                              \
    X(P11KitPin *, pin_new_for_string, (const char *value), NULL)                                  \
    X(const unsigned char *, pin_get_value, (P11KitPin * pin, size_t * length), NULL)              \
    X(size_t, pin_get_length, (P11KitPin * pin), 0)                                                \
    X(int, pin_register_callback,                                                                  \
      (const char *source, p11_kit_pin_callback callback, void *data,                              \
       p11_kit_pin_destroy_func destroy),                                                          \
      -1)                                                                                          \
    X(P11KitPin *, pin_request,                                                                    \
      (const char *source, P11KitUri *uri, const char *description, P11KitPinFlags flags), NULL)   \
    X(P11KitPin *, pin_file_callback,                                                              \
      (const char *source, P11KitUri *uri, const char *description, P11KitPinFlags flags,          \
       void *data),                                                                                \
      NULL)

#define PROCEDURES(X)                                                                              \
    X(module_release, (CK_FUNCTION_LIST * module))                                                 \
    X(uri_free, (P11KitUri * uri))                                                                 \
    X(pin_unref, (P11KitPin * pin))                                                                \
    X(pin_unregister_callback, (const char *source, p11_kit_pin_callback callback, void *data))

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* NOLINTBEGIN(bugprone-macro-parentheses): types and names, not expressions */
#define X(type, name, parameters, nothing)                                                         \
    type p11_kit_##name parameters                                                                 \
    {                                                                                              \
        return nothing;                                                                            \
    }
FUNCTIONS(X)
#undef X

#define X(name, parameters)                                                                        \
    void p11_kit_##name parameters                                                                 \
    {                                                                                              \
    }
PROCEDURES(X)
/* NOLINTEND(bugprone-macro-parentheses) */
