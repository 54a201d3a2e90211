/* SPDX-License-Identifier: Apache-2.0 */
/* Reading PEM files, and whether they belong together. */
#include "exporters/server/certificate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/base/log.h"
#include "exporters/http/secret.h"
#include "exporters/server/libraries.h"

/* A chain of several certificates has a few kilobytes each. */
#define FILE_MAX_BYTES ((size_t)1 << 20)

static void wipe(char **bytes)
{
    if (*bytes != NULL) {
        explicit_bzero(*bytes, strlen(*bytes));
        free(*bytes);
        *bytes = NULL;
    }
}

/* The whole file as text. */
static int read_text(const char *path, char **ret_text)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > FILE_MAX_BYTES) {
        return -EINVAL;
    }
    EYE_CLEANUP(wipe) char *text = calloc(1, (size_t)status.st_size + 1);
    if (text == NULL) {
        return -ENOMEM;
    }
    ssize_t length = eye_file_read(fd, text, (size_t)status.st_size);
    if (length < 0) {
        return (int)length;
    }
    *ret_text = EYE_TAKE(text);
    return 0;
}

static int read_file(const char *key, const char *path, char **ret_text,
                     struct eye_error *ret_error)
{
    int result = read_text(path, ret_text);
    return result == 0 ? 0
                       : eye_error_set(ret_error, result, "cannot use `%s` %s: %s", key, path,
                                       result == -EINVAL ? "it is no file of that kind"
                                                         : strerror(-result));
}

/* ---- Checking ---- */

/* SHA-256 of a public key. */
#define KEY_ID_BYTES 32

static gnutls_datum_t datum_of(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

/* The public key of the chain's first certificate; 0 or what GnuTLS says. */
static int id_of_certificate(const char *pem, unsigned char ret_id[static KEY_ID_BYTES])
{
    gnutls_datum_t datum = datum_of(pem);
    gnutls_x509_crt_t *chain = NULL;
    unsigned count = 0;
    size_t size = KEY_ID_BYTES;
    int result = eye_gnutls.x509_crt_list_import2(&chain, &count, &datum, GNUTLS_X509_FMT_PEM, 0);
    if (result < 0) {
        return result;
    }
    result = eye_gnutls.x509_crt_get_key_id(chain[0], GNUTLS_KEYID_USE_SHA256, ret_id, &size);
    for (unsigned i = 0; i < count; i++) {
        eye_gnutls.x509_crt_deinit(chain[i]);
    }
    (*eye_gnutls.free)(chain);
    return result;
}

static int id_of_key(const char *pem, unsigned char ret_id[static KEY_ID_BYTES])
{
    gnutls_datum_t datum = datum_of(pem);
    gnutls_x509_privkey_t key = NULL;
    size_t size = KEY_ID_BYTES;
    int result = eye_gnutls.x509_privkey_init(&key);
    if (result < 0) {
        return result;
    }
    result = eye_gnutls.x509_privkey_import2(key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result >= 0) {
        result = eye_gnutls.x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, ret_id, &size);
    }
    eye_gnutls.x509_privkey_deinit(key);
    return result;
}

static int check_pair(const struct eye_certificate *pair, const char *certificate_file,
                      const char *key_file, struct eye_error *ret_error)
{
    assert(pair->certificate != NULL && pair->key != NULL);
    unsigned char of_certificate[KEY_ID_BYTES] = {0};
    unsigned char of_key[KEY_ID_BYTES] = {0};
    int result = id_of_certificate(pair->certificate, of_certificate);
    if (result < 0) {
        return eye_error_set(ret_error, -EINVAL, "cannot use `tls.cert_file` %s: %s",
                             certificate_file, eye_gnutls.strerror(result));
    }
    result = id_of_key(pair->key, of_key);
    if (result < 0) {
        return eye_error_set(ret_error, -EINVAL, "cannot use `tls.key_file` %s: %s", key_file,
                             eye_gnutls.strerror(result));
    }
    return memcmp(of_certificate, of_key, KEY_ID_BYTES) == 0
               ? 0
               : eye_error_set(ret_error, -EINVAL, "%s is not the key of the certificate %s",
                               key_file, certificate_file);
}

int eye_certificate_open(const char *certificate_file, const char *key_file,
                         struct eye_certificate *ret_certificate, struct eye_error *ret_error)
{
    EYE_CLEANUP(eye_certificate_done)
    struct eye_certificate certificate = {.certificate_file = certificate_file,
                                          .key_file = key_file};
    if ((certificate_file == NULL) != (key_file == NULL)) {
        return eye_error_set(ret_error, -EINVAL,
                             "TLS needs both `tls.cert_file` and `tls.key_file`");
    }
    if (certificate_file == NULL) {
        *ret_certificate = certificate;
        return 0;
    }
    /* Looked at first: what changes while it is read is read again. */
    eye_file_has_changed(certificate_file, &certificate.certificate_stamp);
    eye_file_has_changed(key_file, &certificate.key_stamp);
    int result = eye_secret_check_file(key_file, ret_error);
    if (result == 0) {
        result = read_file("tls.cert_file", certificate_file, &certificate.certificate, ret_error);
    }
    if (result == 0) {
        result = read_file("tls.key_file", key_file, &certificate.key, ret_error);
    }
    if (result == 0) {
        result = check_pair(&certificate, certificate_file, key_file, ret_error);
    }
    if (result == 0) {
        *ret_certificate = certificate;
        certificate = (struct eye_certificate){0};
    }
    return result;
}

bool eye_certificate_follow(struct eye_certificate *certificate)
{
    if (certificate->key == NULL) {
        return false;
    }
    bool changed =
        eye_file_has_changed(certificate->certificate_file, &certificate->certificate_stamp);
    changed = eye_file_has_changed(certificate->key_file, &certificate->key_stamp) || changed;
    if (!changed) {
        return false;
    }
    struct eye_certificate other = {0};
    struct eye_error error;
    if (eye_certificate_open(certificate->certificate_file, certificate->key_file, &other,
                             &error) != 0) {
        eye_log_warning("%s; the certificate that was read before stays in use", error.text);
        return false;
    }
    eye_certificate_done(certificate);
    *certificate = other;
    return true;
}

void eye_certificate_done(struct eye_certificate *certificate)
{
    free(certificate->certificate);
    certificate->certificate = NULL;
    wipe(&certificate->key);
}
