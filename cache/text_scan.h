/*
 * Skipping over what needs no attention, sixteen bytes at a step.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Printable ASCII but '"' and '\\': stands in a JSON string for itself. */
static inline bool text_scan_is_plain(char byte)
{
	return byte >= ' ' && byte != '"' && byte != '\\';
}

/* The first byte at or behind at that is not so, or end. */
static inline const char *text_scan_plain(const char *at, const char *end)
{
#ifdef __SSE2__
	while (end - at >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		/* Signed: bytes of 0x80 and more are below the blank, too. */
		__m128i stop = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
			_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
				_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(stop);

		if (mask != 0)
			return at + __builtin_ctz(mask);
		at += 16;
	}
#endif
	while (at < end && text_scan_is_plain(*at))
		at++;
	return at;
}
