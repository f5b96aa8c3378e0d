/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SMART / Health Information log (NVMe Base 2.0 5.16.1.3): what backends say of their media,
 * and what the library has counted. The thread of the admin queue's group.
 */
#include "nvme/ctrl.h"

static uint64_t counter_get(const _Atomic(uint64_t) *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Thousands of 512 bytes, rounded up. */
static uint64_t data_units(uint64_t bytes)
{
	return bytes / 512000 + (bytes % 512000 != 0);
}

/* What every poll group did with a namespace, and then what its backend says. */
static void ns_health(const struct nvme_ns_port *own, uint32_t groups, struct wrasse_health *health)
{
	const struct wrasse_namespace *ns = own->ns;
	uint64_t read_bytes = 0, written_bytes = 0;

	*health = (struct wrasse_health){.available_spare = 100};
	for (uint32_t group = 0; group < groups; group++) {
		const struct nvme_ns_port *port = &ns->port[group];

		health->read_commands += counter_get(&port->reads);
		health->write_commands += counter_get(&port->writes);
		read_bytes += counter_get(&port->read_bytes);
		written_bytes += counter_get(&port->written_bytes);
	}
	health->units_read = data_units(read_bytes);
	health->units_written = data_units(written_bytes);
	if (ns->ops.get_health && nvme_port_is_attached(own))
		ns->ops.get_health(ns->backend, health);
}

#define KEEP_MOST(field)                            \
	do {                                        \
		if (health->field > sum->field)     \
			sum->field = health->field; \
	} while (0)

/* The subsystem is as its worst namespace, and has done what all of them did. */
static void health_add(struct wrasse_health *sum, const struct wrasse_health *health)
{
	sum->warnings |= health->warnings;
	if (health->available_spare < sum->available_spare)
		sum->available_spare = health->available_spare;
	KEEP_MOST(spare_threshold);
	KEEP_MOST(percentage_used);
	KEEP_MOST(temperature_k);
	KEEP_MOST(warning_temperature_minutes);
	KEEP_MOST(critical_temperature_minutes);
	KEEP_MOST(power_cycles);
	KEEP_MOST(power_on_hours);
	sum->units_read += health->units_read;
	sum->units_written += health->units_written;
	sum->read_commands += health->read_commands;
	sum->write_commands += health->write_commands;
	sum->busy_minutes += health->busy_minutes;
	sum->unsafe_shutdowns += health->unsafe_shutdowns;
	sum->media_errors += health->media_errors;
}

static void health_get(const struct nvme_queue *queue, uint32_t nsid, struct wrasse_health *sum)
{
	uint32_t groups = queue->limits->group_count;
	bool all = nsid == 0 || nsid == NVME_NSID_ALL;

	*sum = (struct wrasse_health){.available_spare = 100};
	for (uint32_t i = 1; queue->view && i <= queue->view->count; i++) {
		const struct nvme_ns_port *port = nvme_queue_port(queue, i);
		struct wrasse_health health;

		if (!port || !(all || nsid == i))
			continue;
		ns_health(port, groups, &health);
		health_add(sum, &health);
	}
}

void nvme_health_put(struct nvme_request *request, struct nvme_out *out)
{
	const struct nvme_queue *queue = request->queue;
	struct nvme_smart_log log = {0};
	struct wrasse_health health;

	health_get(queue, nvme_get32(request->cmd.nsid), &health);
	log.critical_warning = health.warnings;
	nvme_put16(&log.temperature, health.temperature_k);
	log.avail_spare = health.available_spare;
	log.spare_thresh = health.spare_threshold;
	log.percent_used = health.percentage_used;
	nvme_put64(&log.units_read[0], health.units_read);
	nvme_put64(&log.units_written[0], health.units_written);
	nvme_put64(&log.reads[0], health.read_commands);
	nvme_put64(&log.writes[0], health.write_commands);
	nvme_put64(&log.busy_time[0], health.busy_minutes);
	nvme_put64(&log.power_cycles[0], health.power_cycles);
	nvme_put64(&log.power_on_hours[0], health.power_on_hours);
	nvme_put64(&log.unsafe_shutdowns[0], health.unsafe_shutdowns);
	nvme_put64(&log.media_errors[0], health.media_errors);
	nvme_put64(&log.error_entries[0], counter_get(&queue->ctrl->error_count));
	nvme_put32(&log.warning_time, health.warning_temperature_minutes);
	nvme_put32(&log.critical_time, health.critical_temperature_minutes);
	nvme_out_put(out, &log, sizeof(log));
}
