/*
 * The proxy that the environment asks for, by Go's rules, which kubectl follows
 * (golang.org/x/net/http/httpproxy): HTTPS_PROXY or https_proxy for https, HTTP_PROXY or http_proxy
 * for http, never for localhost and loopback addresses, nor for what NO_PROXY or no_proxy lists.
 */
#pragma once

#include <glib.h>

/* host without brackets. Returns the proxy's URL or NULL; the caller owns it. Any thread. */
char *http_proxy_from_environment(const char *scheme, const char *host, const char *port);

/*
 * Whether list (NO_PROXY) names the host: "*", a domain with its subdomains, ".domain" for those
 * alone, an address, a CIDR block; each but the block may end in ":port". Any thread.
 */
gboolean http_proxy_is_excluded(const char *list, const char *host, const char *port);

/* "localhost", 127.0.0.0/8 or ::1. */
gboolean http_proxy_is_loopback(const char *host);
