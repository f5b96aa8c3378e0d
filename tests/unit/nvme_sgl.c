/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * src/nvme/sgl.c: every type, length and offset around every limit. An expectation is computed from
 * the specification's words by the test itself, with 128-bit sums, so that it cannot share a wrap
 * with the code. Capsules are allocated to their exact size: a byte read beyond them stops a
 * sanitizer build.
 */
#include "nvme/sgl.h"
#include "nvme_fixture.h"

static uint8_t *capsule;
static uint32_t capsule_len;

static struct nvme_sgl *capsule_make(uint32_t len)
{
	free(capsule);
	capsule = calloc(1, len);
	capsule_len = len;
	return &((struct nvme_cmd *)capsule)->sgl;
}

static int capsule_free(void **state)
{
	(void)state;
	free(capsule);
	capsule = NULL;
	return 0;
}

/* Return: the status code. */
static uint8_t parse(struct nvme_data *data, enum nvme_xfer xfer)
{
	memset(data, 0, sizeof(*data));
	data->xfer = xfer;
	return nvme_sgl_parse(data, capsule, capsule_len);
}

static void keyed_block_is_one_descriptor(void **state)
{
	struct nvme_sgl *sgl = capsule_make(64);
	struct nvme_data data;

	(void)state;
	fx_keyed(sgl, NVME_SGL_KEYED, 0x1122334455667788, 0x123456, 0x9abcdef0);
	assert_int_equal(parse(&data, NVME_XFER_C2H), 0);
	assert_int_equal(data.desc_count, 1);
	assert_int_equal(data.len, 0x123456);
	assert_int_equal(data.desc[0].addr, 0x1122334455667788);
	assert_int_equal(data.desc[0].len, 0x123456);
	assert_int_equal(data.desc[0].rkey, 0x9abcdef0);
	assert_false(data.invalidate);
	assert_false(data.in_capsule);
}

static void keyed_block_with_invalidate_names_its_key(void **state)
{
	struct nvme_sgl *sgl = capsule_make(64);
	struct nvme_data data;

	(void)state;
	fx_keyed(sgl, NVME_SGL_KEYED_INV, 4096, 0xffffff, 0xfeedbeef);
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	assert_true(data.invalidate);
	assert_int_equal(data.inv_rkey, 0xfeedbeef);
	assert_int_equal(data.len, 0xffffff);
}

static void keyed_block_of_no_length_names_nothing(void **state)
{
	struct nvme_sgl *sgl = capsule_make(64);
	struct nvme_data data;

	(void)state;
	fx_keyed(sgl, NVME_SGL_KEYED_INV, UINT64_MAX, 0, 0);
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	assert_int_equal(data.desc_count, 0);
	assert_int_equal(data.len, 0);
	assert_false(data.invalidate);
}

static void keyed_block_may_end_but_not_wrap_at_2_to_the_64(void **state)
{
	struct nvme_sgl *sgl = capsule_make(64);
	struct nvme_data data;

	(void)state;
	fx_keyed(sgl, NVME_SGL_KEYED, UINT64_MAX - 4095, 4096, 1);
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	fx_keyed(sgl, NVME_SGL_KEYED, UINT64_MAX - 4095, 4097, 1);
	assert_int_equal(parse(&data, NVME_XFER_H2C), NVME_SC_SGL_LENGTH);
	fx_keyed(sgl, NVME_SGL_KEYED, UINT64_MAX, 1, 1);
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	fx_keyed(sgl, NVME_SGL_KEYED, UINT64_MAX, 2, 1);
	assert_int_equal(parse(&data, NVME_XFER_H2C), NVME_SC_SGL_LENGTH);
}

static void every_other_identifier_is_an_invalid_type(void **state)
{
	struct nvme_data data;

	(void)state;
	for (unsigned id = 0; id < 256; id++) {
		struct nvme_sgl *sgl = capsule_make(64 + 4096);

		if (id == 0x40 || id == 0x4f || id == 0x01 || id == 0x31)
			continue;
		fx_plain(sgl, (uint8_t)id, 0, 16);
		assert_int_equal(parse(&data, NVME_XFER_H2C), NVME_SC_SGL_TYPE);
		assert_int_equal(parse(&data, NVME_XFER_C2H), NVME_SC_SGL_TYPE);
		assert_int_equal(data.desc_count, 0);
	}
}

static const uint64_t offsets[] = {
	0,
	1,
	15,
	16,
	4080,
	4095,
	4096,
	4097,
	4112,
	8191,
	8192,
	0xffff,
	0x7fffffff,
	0xffffffff,
	0x100000000,
	0x100000010,
	0x7fffffffffffffff,
	0x8000000000000000,
	UINT64_MAX - 8192,
	UINT64_MAX - 4096,
	UINT64_MAX - 4095,
	UINT64_MAX - 63,
	UINT64_MAX - 15,
	UINT64_MAX - 1,
	UINT64_MAX,
};

static const uint32_t lengths[] = {
	0,    1,    15,   16,       17,         4064,       4080,       4081,       4095,
	4096, 4097, 8192, 0xffffff, 0x7fffffff, 0xffffffc0, 0xfffffff0, 0xffffffff,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void in_capsule_data_lies_within_the_bytes_received(void **state)
{
	static const uint32_t received[] = {0, 1, 16, 4095, 4096, 8192};
	struct nvme_data data;

	(void)state;
	for (size_t r = 0; r < COUNT(received); r++) {
		struct nvme_sgl *sgl = capsule_make(64 + received[r]);

		for (size_t o = 0; o < COUNT(offsets); o++) {
			for (size_t l = 0; l < COUNT(lengths); l++) {
				unsigned __int128 end = (unsigned __int128)offsets[o] + lengths[l];
				uint8_t sc;

				fx_plain(sgl, NVME_SGL_OFFSET, offsets[o], lengths[l]);
				sc = parse(&data, NVME_XFER_H2C);
				if (offsets[o] > received[r]) {
					assert_int_equal(sc, NVME_SC_SGL_OFFSET);
				} else if (end > received[r]) {
					assert_int_equal(sc, NVME_SC_SGL_LENGTH);
				} else {
					assert_int_equal(sc, 0);
					assert_true(data.in_capsule);
					assert_int_equal(data.len, lengths[l]);
					assert_int_equal(data.icd_off, 64 + offsets[o]);
				}
				assert_int_equal(data.desc_count, 0);
			}
		}
	}
}

static void in_capsule_data_cannot_go_to_the_host(void **state)
{
	struct nvme_sgl *sgl = capsule_make(64 + 4096);
	struct nvme_data data;

	(void)state;
	fx_plain(sgl, NVME_SGL_OFFSET, 0, 512);
	assert_int_equal(parse(&data, NVME_XFER_C2H), WRASSE_SC_INVALID_FIELD);
	assert_false(data.in_capsule);
}

/* A list of count keyed descriptors of 512 bytes at an offset of the in-capsule data. */
static struct nvme_sgl *list_make(uint32_t received, uint32_t offset, uint32_t count)
{
	struct nvme_sgl *sgl = capsule_make(64 + received);
	struct nvme_sgl *list = (struct nvme_sgl *)(capsule + 64 + offset);

	fx_plain(sgl, NVME_SGL_LAST_OFFSET, offset, count * 16);
	for (uint32_t i = 0; i < count; i++)
		fx_keyed(&list[i], NVME_SGL_KEYED, 0x10000ull * (i + 1), 512, 100 + i);
	return list;
}

static void list_of_1_to_16_descriptors_is_taken(void **state)
{
	static const uint32_t counts[] = {1, 2, 15, 16};
	static const uint32_t at[] = {0, 1, 48, 4096 - 256};
	struct nvme_data data;

	(void)state;
	for (size_t c = 0; c < COUNT(counts); c++) {
		for (size_t a = 0; a < COUNT(at); a++) {
			list_make(4096, at[a], counts[c]);
			assert_int_equal(parse(&data, NVME_XFER_C2H), 0);
			assert_int_equal(data.desc_count, counts[c]);
			assert_int_equal(data.len, counts[c] * 512);
			for (uint32_t i = 0; i < counts[c]; i++) {
				assert_int_equal(data.desc[i].addr, 0x10000ull * (i + 1));
				assert_int_equal(data.desc[i].len, 512);
				assert_int_equal(data.desc[i].rkey, 100 + i);
			}
		}
	}
}

static void list_of_more_than_16_descriptors_is_refused(void **state)
{
	static const uint32_t counts[] = {17, 18, 255, 256};
	struct nvme_data data;

	(void)state;
	for (size_t c = 0; c < COUNT(counts); c++) {
		list_make(8192, 0, counts[c]);
		assert_int_equal(parse(&data, NVME_XFER_H2C), NVME_SC_SGL_COUNT);
		assert_int_equal(data.desc_count, 0);
	}
}

static void list_lies_within_the_bytes_received(void **state)
{
	static const uint32_t received[] = {0, 15, 16, 256, 4096};
	struct nvme_data data;

	(void)state;
	for (size_t r = 0; r < COUNT(received); r++) {
		struct nvme_sgl *sgl = capsule_make(64 + received[r]);

		for (uint32_t at = 0; at + 16 <= received[r]; at++)
			capsule[64 + at + 15] = NVME_SGL_KEYED;
		for (size_t o = 0; o < COUNT(offsets); o++) {
			for (size_t l = 0; l < COUNT(lengths); l++) {
				unsigned __int128 end = (unsigned __int128)offsets[o] + lengths[l];
				uint8_t want = 0;
				uint8_t sc;

				fx_plain(sgl, NVME_SGL_LAST_OFFSET, offsets[o], lengths[l]);
				sc = parse(&data, NVME_XFER_H2C);
				if (offsets[o] > received[r])
					want = NVME_SC_SGL_OFFSET;
				else if (lengths[l] == 0 || lengths[l] % 16 != 0)
					want = NVME_SC_SGL_SEGMENT;
				else if (lengths[l] > 256)
					want = NVME_SC_SGL_COUNT;
				else if (end > received[r])
					want = NVME_SC_SGL_SEGMENT;
				if (want)
					assert_int_equal(sc, want);
				else /* what the list says decides */
					assert_in_range(sc, 0, NVME_SC_SGL_OFFSET);
			}
		}
	}
}

static void list_outside_a_bare_capsule_is_refused(void **state)
{
	struct nvme_sgl *sgl = capsule_make(64);
	struct nvme_data data;

	(void)state;
	fx_plain(sgl, NVME_SGL_LAST_OFFSET, 0, 16);
	assert_int_equal(parse(&data, NVME_XFER_H2C), NVME_SC_SGL_SEGMENT);
	fx_plain(sgl, NVME_SGL_LAST_OFFSET, 1, 16);
	assert_int_equal(parse(&data, NVME_XFER_H2C), NVME_SC_SGL_OFFSET);
}

static void list_holds_keyed_blocks_only(void **state)
{
	struct nvme_data data;

	(void)state;
	for (unsigned id = 0; id < 256; id++) {
		for (unsigned at = 0; at < 3; at++) {
			struct nvme_sgl *list = list_make(4096, 0, 3);
			uint8_t want = NVME_SC_SGL_TYPE;

			if (id == 0x40 || id == 0x4f)
				want = 0;
			else if (id >> 4 == 2 || id >> 4 == 3)
				want = NVME_SC_SGL_SEGMENT;
			list[at].id = (uint8_t)id;
			assert_int_equal(parse(&data, NVME_XFER_H2C), want);
		}
	}
}

static void last_key_to_invalidate_in_a_list_wins(void **state)
{
	struct nvme_sgl *list = list_make(4096, 0, 4);
	struct nvme_data data;

	(void)state;
	list[1].id = NVME_SGL_KEYED_INV;
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	assert_true(data.invalidate);
	assert_int_equal(data.inv_rkey, 101);
	list[3].id = NVME_SGL_KEYED_INV;
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	assert_int_equal(data.inv_rkey, 103);
}

static void empty_descriptors_of_a_list_are_left_out(void **state)
{
	struct nvme_sgl *list = list_make(4096, 0, 16);
	struct nvme_data data;

	(void)state;
	for (unsigned i = 0; i < 16; i += 2)
		fx_keyed(&list[i], NVME_SGL_KEYED, 0, 0, 0);
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	assert_int_equal(data.desc_count, 8);
	assert_int_equal(data.len, 8 * 512);
	assert_int_equal(data.desc[0].rkey, 101);
}

static void list_of_the_longest_descriptors_adds_up(void **state)
{
	struct nvme_sgl *list = list_make(4096, 0, 16);
	struct nvme_data data;

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		fx_keyed(&list[i], NVME_SGL_KEYED, 0, 0xffffff, 1);
	assert_int_equal(parse(&data, NVME_XFER_H2C), 0);
	assert_int_equal(data.len, 16 * 0xffffff);
}

/* ---- every type with every offset and length around every limit ---- */

/* What the specification's words say of one descriptor, with sums that cannot wrap. */
static uint8_t model(uint8_t id, uint64_t offset, uint32_t length, uint32_t received,
		     enum nvme_xfer xfer)
{
	unsigned __int128 end = (unsigned __int128)offset + length;
	const unsigned __int128 top = (unsigned __int128)1 << 64;

	switch (id) {
	case 0x40:
	case 0x4f: /* 24 bits of length; the address is all of memory */
		return (unsigned __int128)offset + (length & 0xffffff) > top &&
				       (length & 0xffffff) != 0 ?
			       0x0f :
			       0;
	case 0x01:
		if (xfer != NVME_XFER_H2C)
			return 0x02;
		return offset > received ? 0x16 : end > received ? 0x0f : 0;
	case 0x31:
		if (offset > received)
			return 0x16;
		if (length == 0 || length % 16 != 0)
			return 0x0d;
		return length > 256 ? 0x0e : end > received ? 0x0d : 0;
	default:
		return 0x11;
	}
}

/* The limits themselves, and one less and one more. Return: how many there are. */
static size_t around(uint64_t *out, const uint64_t *limits, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		out[n++] = limits[i] - 1; /* of 0: 2^64 - 1 */
		out[n++] = limits[i];
		out[n++] = limits[i] + 1;
	}
	return n;
}

static void check_one(uint8_t id, uint64_t offset, uint32_t length, uint32_t received,
		      enum nvme_xfer xfer)
{
	struct nvme_sgl *sgl = &((struct nvme_cmd *)capsule)->sgl;
	uint8_t want = model(id, offset, length, received, xfer);
	struct nvme_data data;
	uint8_t got;

	if (id == 0x40 || id == 0x4f)
		fx_keyed(sgl, id, offset, length, 1);
	else
		fx_plain(sgl, id, offset, length);
	got = parse(&data, xfer);
	if (got != want)
		fail_msg("type 0x%02x offset 0x%llx length 0x%x of %u received: 0x%02x, not 0x%02x",
			 id, (unsigned long long)offset, length, received, got, want);
}

static void check_received(uint32_t received)
{
	const uint64_t limits[] = {0,          16,          256,         4096,           received,
				   1ull << 24, 1ull << 31,  1ull << 32,  1ull << 63,     0ull - 16,
				   0ull - 256, 0ull - 4096, 0ull - 8192, 0ull - 0xffffff};
	uint64_t offset[3 * COUNT(limits)], length[3 * COUNT(limits)];
	size_t count = around(offset, limits, COUNT(limits));

	around(length, limits, COUNT(limits));
	capsule_make(64 + received);
	/* Bytes of a list: descriptors that are right wherever it begins. */
	memset(capsule + 64, 0x40, received);
	for (unsigned id = 0; id < 256; id++) {
		for (size_t i = 0; i < count * count; i++) {
			uint64_t at = offset[i / count];

			check_one((uint8_t)id, at, (uint32_t)length[i % count], received,
				  NVME_XFER_H2C);
			check_one((uint8_t)id, at, (uint32_t)length[i % count], received,
				  NVME_XFER_C2H);
		}
	}
}

static void every_type_offset_and_length_around_every_limit(void **state)
{
	static const uint32_t received[] = {0,   1,   15,   16,   17,   255,
					    256, 257, 4095, 4096, 4097, 8192};

	(void)state;
	for (size_t r = 0; r < COUNT(received); r++)
		check_received(received[r]);
}

static void truncation_keeps_the_first_bytes(void **state)
{
	struct nvme_data data;

	(void)state;
	for (uint32_t len = 0; len <= 4 * 512; len++) {
		uint32_t sum = 0;

		list_make(4096, 0, 4);
		assert_int_equal(parse(&data, NVME_XFER_C2H), 0);
		nvme_data_truncate(&data, len);
		assert_int_equal(data.len, len);
		assert_int_equal(data.desc_count, (len + 511) / 512);
		for (uint32_t i = 0; i < data.desc_count; i++) {
			assert_int_not_equal(data.desc[i].len, 0);
			sum += data.desc[i].len;
		}
		assert_int_equal(sum, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyed_block_is_one_descriptor),
		cmocka_unit_test(keyed_block_with_invalidate_names_its_key),
		cmocka_unit_test(keyed_block_of_no_length_names_nothing),
		cmocka_unit_test(keyed_block_may_end_but_not_wrap_at_2_to_the_64),
		cmocka_unit_test(every_other_identifier_is_an_invalid_type),
		cmocka_unit_test(in_capsule_data_lies_within_the_bytes_received),
		cmocka_unit_test(in_capsule_data_cannot_go_to_the_host),
		cmocka_unit_test(list_of_1_to_16_descriptors_is_taken),
		cmocka_unit_test(list_of_more_than_16_descriptors_is_refused),
		cmocka_unit_test(list_lies_within_the_bytes_received),
		cmocka_unit_test(list_outside_a_bare_capsule_is_refused),
		cmocka_unit_test(list_holds_keyed_blocks_only),
		cmocka_unit_test(last_key_to_invalidate_in_a_list_wins),
		cmocka_unit_test(empty_descriptors_of_a_list_are_left_out),
		cmocka_unit_test(list_of_the_longest_descriptors_adds_up),
		cmocka_unit_test(every_type_offset_and_length_around_every_limit),
		cmocka_unit_test(truncation_keeps_the_first_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, capsule_free);
}
