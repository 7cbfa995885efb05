/*
 * How Go prints the values that protobuf has in binary.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for what the functions below print; they return its length. */
#define PROTOBUF_TEXT_MAX 32

size_t protobuf_print_integer(int64_t number, char text[PROTOBUF_TEXT_MAX]);

/*
 * Seconds since 1970 as metav1.Time shows them: 2006-01-02T15:04:05Z; with microseconds (0 to
 * 999999, or -1 for none) as metav1.MicroTime: 2006-01-02T15:04:05.000000Z. Returns 0 when the year
 * has not four digits.
 */
size_t protobuf_print_time(int64_t seconds, int microseconds, char text[PROTOBUF_TEXT_MAX]);

/* Nanoseconds as time.Duration.String does: 1h0m0s, 1.5s, 100ms, 1.5µs, 0s. */
size_t protobuf_print_duration(int64_t nanoseconds, char text[PROTOBUF_TEXT_MAX]);

/*
 * Whether resource.ParseQuantity keeps the text as it is, so that this is what Quantity.String and
 * JSON show. What the API server writes always is so.
 */
bool protobuf_is_quantity(const char *text, size_t length);
