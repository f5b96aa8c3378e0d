/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health: what a backend may say of its media, and hosts read in the SMART / Health Information log
 * (NVMe Base 2.0 5.16.1.3).
 */
#ifndef WRASSE_HEALTH_H
#define WRASSE_HEALTH_H

#include <wrasse/base.h>

WRASSE_BEGIN_DECLS

/* Critical warnings, as bits. */
enum wrasse_warning {
	WRASSE_WARNING_SPARE = 1u << 0,       /* the spare is below its threshold */
	WRASSE_WARNING_TEMPERATURE = 1u << 1, /* too hot or too cold */
	WRASSE_WARNING_RELIABILITY = 1u << 2, /* the media fails, or may fail */
	WRASSE_WARNING_READ_ONLY = 1u << 3,   /* the media can only be read */
	WRASSE_WARNING_BACKUP = 1u << 4,      /* volatile memory is not saved when power fails */
};

/*
 * The health of one namespace. The log of the whole subsystem is made of it: every warning, the
 * highest temperature, the least spare, the most that is used, and the sums of the rest.
 */
struct wrasse_health {
	uint8_t warnings;        /* enum wrasse_warning */
	uint8_t available_spare; /* percent */
	uint8_t spare_threshold; /* percent, below which there is a warning */
	uint8_t percentage_used; /* of the media's life; 255: 255 or more */
	uint16_t temperature_k;  /* in Kelvin; 0: not known */
	uint64_t units_read;     /* thousands of 512 bytes that hosts read, rounded up */
	uint64_t units_written;  /* and wrote */
	uint64_t read_commands;  /* completed */
	uint64_t write_commands;
	uint64_t busy_minutes;
	uint64_t power_cycles;
	uint64_t power_on_hours;
	uint64_t unsafe_shutdowns;
	uint64_t media_errors; /* data that was lost */
	uint32_t warning_temperature_minutes;
	uint32_t critical_temperature_minutes;
};

/* What hosts are told at once, if they asked for it (NVMe Base 2.0 5.2.1). */
enum wrasse_event {
	/* A critical warning has come up: get_health() says so from now on. */
	WRASSE_EVENT_SPARE,
	WRASSE_EVENT_TEMPERATURE,
	WRASSE_EVENT_RELIABILITY,
	WRASSE_EVENT_READ_ONLY,
	WRASSE_EVENT_BACKUP,
	/* The device itself fails. */
	WRASSE_EVENT_DIAGNOSTIC_FAILURE,
	WRASSE_EVENT_PERSISTENT_ERROR,
	WRASSE_EVENT_TRANSIENT_ERROR,
};

/*
 * Tells the hosts of a subsystem of an event, by an asynchronous event of each of its controllers.
 * One that comes again before a host has read the log page is told once.
 *
 * @subsystem: the subsystem; not NULL.
 * @event: what happened.
 *
 * Context: any thread, also a callback.
 * Return: 0; -EINVAL if there is no such event.
 */
WRASSE_API int wrasse_subsystem_raise(struct wrasse_subsystem *subsystem, enum wrasse_event event);

WRASSE_END_DECLS

#endif
