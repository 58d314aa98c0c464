/* Blocks of bytes, copied with something else in some places.
 *
 * No allocation, no global state, no input or output; every buffer is the caller's.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copy a block, with other bytes in `count` places: pairs of where each begins and ends. What is there
 * instead is as long, and stands in a row. */
void lpaudit_put_in(const uint8_t *block, int64_t size, const int64_t *places, int64_t count,
                    const uint8_t *instead, uint8_t *out)
{
    memcpy(out, block, (size_t)size);
    for (; count; count--, places += 2) {
        const int64_t length = places[1] - places[0];
        memcpy(out + places[0], instead, (size_t)length);
        instead += length;
    }
}

/* Copy a block, with `new_one` instead of each `one`, and `new_other` instead of each `other`. */
void lpaudit_exchange(const uint8_t *block, int64_t size, uint8_t one, uint8_t new_one, uint8_t other,
                      uint8_t new_other, uint8_t *restrict out)
{
    for (int64_t i = 0; i < size; i++) {
        const uint8_t byte = block[i];
        out[i] = byte == one ? new_one : byte == other ? new_other : byte;
    }
}
