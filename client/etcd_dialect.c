#include "client/etcd_dialect.h"

void etcd_dialects_init(struct etcd_dialects *dialects)
{
	dialects->enabled = FALSE;
	dialects->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void etcd_dialects_finish(struct etcd_dialects *dialects)
{
	g_hash_table_unref(dialects->known);
}

enum etcd_dialect etcd_dialects_find(const struct etcd_dialects *dialects, const char *server)
{
	if (!dialects->enabled)
		return ETCD_DIALECT_GATEWAY;
	/* Not there: NULL, which is unknown. */
	return (enum etcd_dialect)GPOINTER_TO_INT(g_hash_table_lookup(dialects->known, server));
}

void etcd_dialects_learn(
	struct etcd_dialects *dialects, const char *server, enum etcd_dialect dialect)
{
	if (dialects->enabled && etcd_dialects_find(dialects, server) != ETCD_DIALECT_GRPC)
		g_hash_table_replace(
			dialects->known, g_strdup(server), GINT_TO_POINTER((int)dialect));
}
