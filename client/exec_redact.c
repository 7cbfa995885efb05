#include <string.h>

#include "client/escape.h"
#include "client/exec_credential.h"

/* This many letters of a plugin's stdout in a row count as a part of its credential. */
#define WINDOW 8
/* Runs of letters this long are taken for a token (when they look like a JWT) or for a key. */
#define JWT_LENGTH 24
#define KEY_LENGTH 40

/* What every answer holds, and is no secret. */
static const char *const harmless[] = {"client.authentication.k8s.io/v1beta1", "ExecCredential",
	"expirationTimestamp", "clientCertificateData", "clientKeyData", "apiVersion"};

/* What tokens and PEM are made of (RFC 6750 2.1). */
static gboolean is_token_letter(char c)
{
	return g_ascii_isalnum(c) || (c != '\0' && strchr("-._~+/=", c) != NULL);
}

static guint window_hash(const void *key)
{
	const unsigned char *bytes = key;
	guint hash = 2166136261U;

	for (unsigned int i = 0; i < WINDOW; i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return hash;
}

static gboolean window_equal(const void *a, const void *b)
{
	return memcmp(a, b, WINDOW) == 0;
}

/* The windows of text that stand in output as well. Keys point into output. */
static GHashTable *windows_of(GBytes *output)
{
	GHashTable *windows = g_hash_table_new(window_hash, window_equal);
	size_t length, run = 0;
	const char *data = g_bytes_get_data(output, &length);

	for (size_t i = 0; i < length; i++) {
		run = is_token_letter(data[i]) ? run + 1 : 0;
		if (run >= WINDOW)
			g_hash_table_add(windows, (void *)(data + i + 1 - WINDOW));
	}
	return windows;
}

static gboolean is_harmless(const char *window)
{
	for (size_t i = 0; i < G_N_ELEMENTS(harmless); i++) {
		if (memmem(harmless[i], strlen(harmless[i]), window, WINDOW) != NULL)
			return TRUE;
	}
	return FALSE;
}

static gboolean is_secret(GHashTable *windows, const char *run, size_t length, gboolean with_key)
{
	if (with_key && length >= KEY_LENGTH)
		return TRUE;
	if (length >= JWT_LENGTH && memmem(run, length, "eyJ", 3) != NULL)
		return TRUE;
	for (size_t i = 0; i + WINDOW <= length; i++) {
		if (g_hash_table_contains(windows, run + i) && !is_harmless(run + i))
			return TRUE;
	}
	return FALSE;
}

static GString *redact(GBytes *errors, GBytes *output)
{
	g_autoptr(GHashTable) windows = windows_of(output);
	size_t length;
	const char *data = g_bytes_get_data(errors, &length);
	gboolean with_key = length > 0 && memmem(data, length, "PRIVATE KEY", 11) != NULL;
	GString *text = g_string_new(NULL);
	size_t i = 0;

	while (i < length) {
		size_t run = 0;

		while (i + run < length && is_token_letter(data[i + run]))
			run++;
		if (run == 0)
			g_string_append_c(text, data[i++]);
		else if (is_secret(windows, data + i, run, with_key))
			g_string_append(text, "[redacted]");
		else
			g_string_append_len(text, data + i, (gssize)run);
		i += run;
	}
	return text;
}

char *exec_credential_redact(GBytes *errors, GBytes *output)
{
	GString *text = redact(errors, output);
	char *lines = escape_lines(text->str);

	g_string_free(text, TRUE);
	return lines;
}
