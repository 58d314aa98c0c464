/* Bytes that are looked at all at once. Compilers know such vectors on any machine (GCC's vector extensions). */
#ifndef LPAUDIT_WIDE_H
#define LPAUDIT_WIDE_H

#include <stdint.h>
#include <string.h>

enum { WIDE = 16 };

typedef uint8_t wide_t __attribute__((vector_size(WIDE)));

static inline wide_t wide(const uint8_t *bytes)
{
    wide_t found;
    memcpy(&found, bytes, WIDE);
    return found;
}

/* Return a bit for each byte, the first one's lowest; each is all ones, or 0. */
static inline uint64_t bits_of(wide_t bytes)
{
#ifdef __SSE2__
    typedef char signed_t __attribute__((vector_size(WIDE)));
    return (uint64_t)__builtin_ia32_pmovmskb128((signed_t)bytes);
#else
    uint64_t bits = 0;
    for (int i = 0; i < WIDE; i++)
        bits |= (uint64_t)(bytes[i] & 1) << i;
    return bits;
#endif
}

/* Return the number of the first byte that is all ones; WIDE: all are 0. */
static inline int first_of(wide_t bytes)
{
#ifdef __SSE2__
    const uint64_t bits = bits_of(bytes);
    return bits ? __builtin_ctzll(bits) : WIDE;
#else
    uint64_t halves[2];
    memcpy(halves, &bytes, WIDE);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return halves[0] ? __builtin_ctzll(halves[0]) / 8 : halves[1] ? 8 + __builtin_ctzll(halves[1]) / 8 : WIDE;
#else
    return halves[0] ? __builtin_clzll(halves[0]) / 8 : halves[1] ? 8 + __builtin_clzll(halves[1]) / 8 : WIDE;
#endif
#endif
}

#endif
