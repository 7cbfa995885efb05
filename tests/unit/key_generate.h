/* Random and nasty keys of etcd. */
#pragma once

#include <glib.h>

/* A sorted array of count different keys (GBytes, owned), all of which begin with prefix. */
GPtrArray *generate_keys(GRand *random, GBytes *prefix, guint count);
