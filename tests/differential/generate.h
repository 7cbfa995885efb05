/*
 * JSON texts to compare on: one a seed.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Replaces text by the JSON document of that seed, valid but perhaps strangely spelled. */
void generate_json(uint64_t seed, GString *text);

/*
 * Damages a valid text here and there, reproducibly. What comes out may or may not be valid.
 */
void generate_damage(uint64_t seed, GString *text);
