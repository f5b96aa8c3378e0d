/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations in a file. Writing blocks, and a poll group must not: each file has a thread that
 * writes, one state at a time, to a new file that then takes the old one's name. So the file is whole
 * whenever the power goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "reservation_file.h"

#define FORMAT_VERSION 1
#define HOSTID_CHARS   32

struct reservation_file {
	char *path, *new_path, *directory;
	bool loaded;
	struct wrasse_reservation state; /* what was read */
	struct wrasse_registrant registrants[WRASSE_MAX_REGISTRANTS];

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool end;
	const struct wrasse_reservation *save; /* to be written; NULL: nothing is */
	struct wrasse_io *io;
};

/* ---- writing ---- */

static void hostid_print(char text[HOSTID_CHARS + 1], const uint8_t hostid[16])
{
	for (unsigned i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", hostid[i]);
}

/* Adds a member; what is missing for want of memory makes the whole thing fail. */
static bool member_add(struct json_object *object, const char *name, struct json_object *value)
{
	return value && json_object_object_add(object, name, value) == 0;
}

static struct json_object *registrant_make(const struct wrasse_registrant *registrant)
{
	struct json_object *object = json_object_new_object();
	char hostid[HOSTID_CHARS + 1], key[19];

	hostid_print(hostid, registrant->hostid);
	/* A string, because numbers of 64 bits are not safe in JSON. */
	snprintf(key, sizeof(key), "0x%016" PRIx64, registrant->key);
	if (object && member_add(object, "hostid", json_object_new_string(hostid)) &&
	    member_add(object, "hostnqn", json_object_new_string(registrant->hostnqn)) &&
	    member_add(object, "key", json_object_new_string(key)) &&
	    member_add(object, "holder", json_object_new_boolean(registrant->holder)))
		return object;
	json_object_put(object);
	return NULL;
}

static struct json_object *state_make(const struct wrasse_reservation *state)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	bool whole = object && list;

	for (uint32_t i = 0; whole && i < state->registrant_count; i++) {
		struct json_object *registrant = registrant_make(&state->registrants[i]);

		whole = registrant && json_object_array_add(list, registrant) == 0;
	}
	if (whole && member_add(object, "version", json_object_new_int(FORMAT_VERSION)) &&
	    member_add(object, "ptpl", json_object_new_boolean(state->ptpl)) &&
	    member_add(object, "type", json_object_new_int(state->type)) &&
	    member_add(object, "generation", json_object_new_int64(state->generation)) &&
	    member_add(object, "registrants", list))
		return object;
	json_object_put(list);
	json_object_put(object);
	return NULL;
}

static int text_write(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int result = 0;

	if (fd < 0)
		return -errno;
	while (len > 0 && result == 0) {
		ssize_t written = write(fd, text, len);

		if (written < 0) {
			result = -errno;
		} else {
			text += written;
			len -= (size_t)written;
		}
	}
	if (result == 0 && fsync(fd))
		result = -errno;
	close(fd);
	return result;
}

/* The new name is durable only with its directory. */
static int directory_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		result = -errno;
	close(fd);
	return result;
}

static int state_write(const struct reservation_file *file, const struct wrasse_reservation *state)
{
	struct json_object *object = state_make(state);
	const char *text =
		object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY) : NULL;
	int result = text ? text_write(file->new_path, text) : -ENOMEM;

	json_object_put(object);
	if (result == 0 && rename(file->new_path, file->path))
		result = -errno;
	if (result == 0)
		result = directory_sync(file->directory);
	if (result)
		log_line(WRASSE_LOG_ERROR, "cannot save reservations to %s: %s", file->path,
			 strerror(-result));
	return result;
}

static void *writer_run(void *arg)
{
	struct reservation_file *file = arg;

	pthread_mutex_lock(&file->lock);
	for (;;) {
		const struct wrasse_reservation *state = file->save;
		struct wrasse_io *io = file->io;
		bool failed;

		if (!state && file->end)
			break;
		if (!state) {
			pthread_cond_wait(&file->changed, &file->lock);
			continue;
		}
		file->save = NULL;
		pthread_mutex_unlock(&file->lock);
		failed = state_write(file, state);
		wrasse_io_complete(io, failed ? wrasse_status_make(WRASSE_SCT_GENERIC,
								   WRASSE_SC_INTERNAL, false) :
						wrasse_status_ok());
		pthread_mutex_lock(&file->lock);
	}
	pthread_mutex_unlock(&file->lock);
	return NULL;
}

void reservation_file_save(void *ctx, const struct wrasse_reservation *state, struct wrasse_io *io)
{
	struct reservation_file *file = ctx;

	pthread_mutex_lock(&file->lock);
	file->save = state;
	file->io = io;
	pthread_cond_signal(&file->changed);
	pthread_mutex_unlock(&file->lock);
}

/* ---- reading ---- */

static bool hostid_parse(const char *text, uint8_t hostid[16])
{
	if (strlen(text) != HOSTID_CHARS || strspn(text, "0123456789abcdef") != HOSTID_CHARS)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		char byte[3] = {text[2 * i], text[2 * i + 1], '\0'};

		hostid[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return true;
}

/* A member of a type; NULL: it is not there. */
static struct json_object *member(struct json_object *object, const char *name, json_type type)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static bool registrant_read(struct json_object *object, struct wrasse_registrant *registrant)
{
	struct json_object *hostid = member(object, "hostid", json_type_string);
	struct json_object *hostnqn = member(object, "hostnqn", json_type_string);
	struct json_object *key = member(object, "key", json_type_string);
	struct json_object *holder = member(object, "holder", json_type_boolean);
	const char *name;
	char *end;

	if (!hostid || !hostnqn || !key || !holder)
		return false;
	name = json_object_get_string(hostnqn);
	if (strlen(name) >= sizeof(registrant->hostnqn) ||
	    !hostid_parse(json_object_get_string(hostid), registrant->hostid))
		return false;
	strcpy(registrant->hostnqn, name);
	registrant->key = strtoull(json_object_get_string(key), &end, 16);
	registrant->holder = json_object_get_boolean(holder);
	return !*end;
}

/* Whether it is what state_make() makes; what it says is for the library to check. */
static bool state_read(struct reservation_file *file, struct json_object *object)
{
	struct json_object *version = member(object, "version", json_type_int);
	struct json_object *ptpl = member(object, "ptpl", json_type_boolean);
	struct json_object *type = member(object, "type", json_type_int);
	struct json_object *generation = member(object, "generation", json_type_int);
	struct json_object *list = member(object, "registrants", json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;

	if (!version || json_object_get_int(version) != FORMAT_VERSION || !ptpl || !type ||
	    !generation || !list || count > WRASSE_MAX_REGISTRANTS)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!registrant_read(json_object_array_get_idx(list, i), &file->registrants[i]))
			return false;
	}
	file->state = (struct wrasse_reservation){
		.size = sizeof(file->state),
		.ptpl = json_object_get_boolean(ptpl),
		.type = (uint8_t)json_object_get_int(type),
		.generation = (uint32_t)json_object_get_int64(generation),
		.registrant_count = (uint32_t)count,
		.registrants = file->registrants,
	};
	return true;
}

static int file_read(struct reservation_file *file)
{
	struct json_object *object;

	if (access(file->path, F_OK) && errno == ENOENT)
		return 0;
	object = json_object_from_file(file->path);
	file->loaded = object && state_read(file, object);
	json_object_put(object);
	if (file->loaded)
		return 0;
	log_line(WRASSE_LOG_ERROR, "%s has no reservations that can be read", file->path);
	return -EINVAL;
}

const struct wrasse_reservation *reservation_file_state(const struct reservation_file *file)
{
	return file->loaded ? &file->state : NULL;
}

/* ---- life ---- */

static void file_free(struct reservation_file *file)
{
	free(file->path);
	free(file->new_path);
	free(file->directory);
	free(file);
}

static int names_make(struct reservation_file *file, const char *path)
{
	char *copy = strdup(path);

	file->path = strdup(path);
	if (copy)
		file->directory = strdup(dirname(copy));
	if (asprintf(&file->new_path, "%s.new", path) < 0)
		file->new_path = NULL;
	free(copy);
	return file->path && file->directory && file->new_path ? 0 : -ENOMEM;
}

int reservation_file_create(const char *path, struct reservation_file **file)
{
	struct reservation_file *made = calloc(1, sizeof(*made));
	int result = made ? names_make(made, path) : -ENOMEM;

	if (result == 0)
		result = file_read(made);
	if (result == 0) {
		pthread_mutex_init(&made->lock, NULL);
		pthread_cond_init(&made->changed, NULL);
		result = -pthread_create(&made->thread, NULL, writer_run, made);
	}
	if (result) {
		if (made)
			file_free(made);
		return result;
	}
	*file = made;
	return 0;
}

void reservation_file_destroy(struct reservation_file *file)
{
	if (!file)
		return;
	pthread_mutex_lock(&file->lock);
	file->end = true;
	pthread_cond_signal(&file->changed);
	pthread_mutex_unlock(&file->lock);
	pthread_join(file->thread, NULL);
	pthread_mutex_destroy(&file->lock);
	pthread_cond_destroy(&file->changed);
	file_free(file);
}
