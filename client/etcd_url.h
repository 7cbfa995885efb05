/*
 * etcd://HOST[:PORT][,HOST[:PORT]...][/PREFIX] and etcds://..., the same over TLS. The port is 2379
 * unless given, IPv6 addresses stand in brackets. What follows the servers is the prefix of the
 * keys, slash included, byte for byte: there is no query, no fragment and no escape in it.
 */
#pragma once

#include <glib.h>

#define ETCD_PORT "2379"

struct etcd_url {
	gboolean tls;
	GPtrArray *servers; /* of char *: "http://HOST:PORT" or "https://HOST:PORT", >= 1 */
	GBytes *prefix; /* empty: every key */
};

/* Whether text begins as one, in whatever case. */
gboolean etcd_url_is(const char *text);

/* -EINVAL when it is none; the message names the part that is wrong, never a password in it. */
int etcd_url_parse(const char *text, struct etcd_url *ret_url, GError **error);
void etcd_url_clear(struct etcd_url *url);

/*
 * The value of etcdctl's --endpoints: HOST[:PORT] or http[s]://HOST[:PORT], several with commas.
 * tls holds for those that do not say. Adds URLs as above to servers, or nothing and returns
 * -EINVAL.
 */
int etcd_endpoints_parse(const char *text, gboolean tls, GPtrArray *servers, GError **error);
