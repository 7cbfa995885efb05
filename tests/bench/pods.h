/*
 * Pods as a server with kwok's nodes has them.
 */
#pragma once

#include <glib.h>

/* JSON, one object a line. Free with g_string_free. */
GString *pods_create(int count);
