#include "client/connection.h"

#include <string.h>

#include "client/secret.h"

static void extra_free(void *data)
{
	struct connection_extra *extra = data;

	g_free(extra->key);
	g_free(extra->value);
	g_free(extra);
}

struct connection *connection_create(const char *name)
{
	struct connection *connection = g_new0(struct connection, 1);

	connection->name = g_strdup(name);
	connection->servers = g_ptr_array_new_with_free_func(g_free);
	connection->namespace = g_strdup("default");
	connection->impersonation.groups = g_new0(char *, 1);
	connection->impersonation.extras = g_ptr_array_new_with_free_func(extra_free);
	connection->references = 1;
	return connection;
}

struct connection *connection_ref(struct connection *connection)
{
	g_atomic_int_inc(&connection->references);
	return connection;
}

struct connection *connection_unref(struct connection *connection)
{
	if (connection == NULL || !g_atomic_int_dec_and_test(&connection->references))
		return NULL;
	g_free(connection->name);
	g_ptr_array_unref(connection->servers);
	g_clear_pointer(&connection->ca, g_bytes_unref);
	g_free(connection->ca_path);
	g_free(connection->tls_server_name);
	secret_free(connection->proxy_url);
	g_free(connection->namespace);
	g_free(connection->impersonation.user);
	g_free(connection->impersonation.uid);
	g_strfreev(connection->impersonation.groups);
	g_ptr_array_unref(connection->impersonation.extras);
	credentials_unref(connection->credentials);
	g_free(connection);
	return NULL;
}
