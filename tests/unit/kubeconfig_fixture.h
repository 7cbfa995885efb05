/* What the tests of kubeconfig share: files in a directory of their own, loaded and resolved. */
#pragma once

#include <check.h>
#include <errno.h>

#include "client/kubeconfig.h"
#include "client/kubeconfig_entry.h"
#include "tests/unit/temporary.h"

#define CANARY "canary-3f9d2c71e8"
#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"

/* A kubeconfig whose context c has the given lines for its cluster and its user. */
#define CONFIG(cluster, user)                                                                      \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"                                       \
	"contexts:\n- name: c\n  context: {cluster: k, user: u}\n"                                 \
	"clusters:\n- name: k\n  cluster:\n" cluster "users:\n- name: u\n  user:\n" user
#define SERVER "    server: https://10.0.0.1:6443\n"

static struct kubeconfig_places places;
static struct kubeconfig *config;
static struct connection *connection;
static GError *failure;
static char *path;
static char *certificate_base64;
static char *key_base64;

static inline void setup(void)
{
	temporary_create();
	places = (struct kubeconfig_places){
		.home = temporary_directory, .pod = {.service_account = temporary_directory}};
	certificate_base64 = g_base64_encode((const guchar *)CERTIFICATE, strlen(CERTIFICATE));
	key_base64 = g_base64_encode((const guchar *)KEY, strlen(KEY));
}

static inline void release(void)
{
	kubeconfig_destroy(config);
	config = NULL;
	connection = connection_unref(connection);
	g_clear_error(&failure);
	g_clear_pointer(&path, g_free);
}

static inline void teardown(void)
{
	release();
	g_free(certificate_base64);
	g_free(key_base64);
	temporary_destroy();
}

static inline void check_failure(int result)
{
	ck_assert((failure != NULL) == (result < 0));
	if (failure == NULL)
		return;
	ck_assert_int_eq(failure->code, -result);
	ck_assert_ptr_null(strchr(failure->message, '\n'));
	ck_assert_msg(strstr(failure->message, CANARY) == NULL, "%s", failure->message);
}

static inline int load(void)
{
	int result;

	kubeconfig_destroy(config);
	config = NULL;
	g_clear_error(&failure);
	result = kubeconfig_load_from(&places, &config, &failure);
	check_failure(result);
	return result;
}

static inline int resolve(const char *context, const struct kubeconfig_overrides *overrides)
{
	int result;

	connection = connection_unref(connection);
	g_clear_error(&failure);
	result = kubeconfig_resolve(config, context, overrides, &connection, &failure);
	check_failure(result);
	return result;
}

static inline void expect_loaded(void)
{
	int result = load();

	ck_assert_msg(result == 0, "%s", failure != NULL ? failure->message : "");
}

static inline void expect_resolved(
	const char *context, const struct kubeconfig_overrides *overrides)
{
	int result = resolve(context, overrides);

	ck_assert_msg(result == 0, "%s", failure != NULL ? failure->message : "");
}

static inline void expect_message(int result, int errnum, const char *message)
{
	ck_assert_msg(result == -errnum, "%d %s", result, failure != NULL ? failure->message : "");
	ck_assert_msg(strstr(failure->message, message) != NULL, "%s", failure->message);
}

/* Makes text the only kubeconfig and resolves its current context. */
static inline int use(const char *text)
{
	int result;

	release();
	path = temporary_write("config", text, 0600);
	places.explicit_path = path;
	result = load();
	return result < 0 ? result : resolve(NULL, NULL);
}

static inline void expect_used(const char *text)
{
	int result = use(text);

	ck_assert_msg(result == 0, "%s", failure != NULL ? failure->message : "");
}

static inline const char *server(void)
{
	return connection->servers->pdata[0];
}

static inline void expect_header(const char *header)
{
	struct credential *credential;

	ck_assert_int_eq(credentials_get(connection->credentials, &credential), 0);
	ck_assert_pstr_eq(credential->authorization, header);
	credential_unref(credential);
}
