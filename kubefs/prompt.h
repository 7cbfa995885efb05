/*
 * Asking for a secret at the terminal.
 */
#pragma once

#include <glib.h>

/*
 * Asks at the controlling terminal, whatever standard input is, without showing what is typed, as
 * getpass(3) does. Returns 0 with *ret_secret, which is secret_free's; -ENXIO without a terminal;
 * -EINTR when a signal came or the input ended instead: the terminal is as it was, and the signal
 * takes effect once this has returned; -EFBIG above limit bytes. Before there are other threads.
 */
int prompt_secret(const char *question, size_t limit, char **ret_secret, GError **error);
