/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the reservations of a namespace in a file (JSON), so that they outlive a power loss and this
 * program.
 */
#ifndef TARGET_RESERVATION_FILE_H
#define TARGET_RESERVATION_FILE_H

#include <wrasse/reservation.h>

struct reservation_file;

/*
 * Reads a file, if there is one, and starts the thread that will write it. Errors are logged.
 *
 * @path: copied.
 * Return: 0 or a negative errno value; -EINVAL if the file is not one that this program wrote.
 */
int reservation_file_create(const char *path, struct reservation_file **file);

/* Ends the thread; no save is on its way. NULL is legal. */
void reservation_file_destroy(struct reservation_file *file);

/* What was read; NULL: there was no file. Valid until the first save. */
const struct wrasse_reservation *reservation_file_state(const struct reservation_file *file);

/* A wrasse_reservation_save_fn: ctx is the file. */
void reservation_file_save(void *ctx, const struct wrasse_reservation *state, struct wrasse_io *io);

#endif
