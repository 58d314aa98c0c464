/* Texts as Arrow has them: views of buffers (Arrow's string_view), a column at a time.
 *
 * `valid` is a column's validity bitmap; NULL: all texts are there. What a text is that is not there,
 * nobody asks.
 *
 * No allocation, no global state, no input or output; every buffer is the caller's.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "view.h"

enum { PROBES = 32 }; /* slots that are looked at for a text */
enum { SOON = 16 };   /* texts from one that is looked at to one that is fetched from memory meanwhile */

static int is_there(const uint8_t *valid, int64_t at)
{
    return valid == NULL || (valid[at >> 3] >> (at & 7) & 1);
}

static const uint8_t *bytes_of(const view_t *view, const uint8_t *const *buffers)
{
    if (view->length <= SHORT)
        return (const uint8_t *)view + sizeof view->length;
    return buffers[view->buffer] + view->offset;
}

/* Make a view of a part of what another one shows; `begin` is where that part is. */
static view_t part_of(const view_t *whole, const uint8_t *begin, int32_t skipped, int32_t length)
{
    view_t view = {.length = length};
    if (length <= SHORT) {
        memcpy((uint8_t *)&view + sizeof view.length, begin, (size_t)length);
    } else {
        memcpy(view.first, begin, sizeof view.first);
        view.buffer = whole->buffer;
        view.offset = whole->offset + skipped;
    }
    return view;
}

static int equal(const view_t *one, const view_t *other, const uint8_t *const *buffers)
{
    uint64_t a[2], b[2];
    memcpy(a, one, sizeof a);
    memcpy(b, other, sizeof b);
    if (a[0] != b[0]) /* another length, or other first bytes */
        return 0;
    if (a[1] == b[1])
        return 1;
    return one->length > SHORT && memcmp(bytes_of(one, buffers), bytes_of(other, buffers), (size_t)one->length) == 0;
}

static uint64_t mixed(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

static uint64_t hash(const view_t *view, const uint8_t *const *buffers)
{
    uint64_t word[2];
    memcpy(word, view, sizeof word);
    uint64_t sum = mixed(0, word[0]);
    if (view->length <= SHORT)
        return mixed(sum, word[1]);
    const uint8_t *at = bytes_of(view, buffers), *last = at + view->length - 8;
    for (at += sizeof view->first; at < last; at += 8) {
        memcpy(word, at, 8);
        sum = mixed(sum, word[0]);
    }
    memcpy(word, last, 8);
    return mixed(sum, word[0]);
}

/* Number texts in the order in which they come first; codes[i] is the number of text i, texts[k] the
 * text of number k. `slots` has room for `mask` + 1 numbers, a power of two.
 * Returns how many there are; -1 if they are more than `most`, or seek the same slots: whoever
 * chooses texts that do gains nothing. */
int64_t lpaudit_codes(const view_t *views, const uint8_t *const *buffers, const uint8_t *valid,
                      int64_t count, int32_t *slots, int64_t mask, int64_t most, int32_t *codes, view_t *texts)
{
    int64_t different = 0, before = -1;
    memset(slots, 0xff, (size_t)(mask + 1) * sizeof *slots);
    for (int64_t i = 0; i < count; i++) {
        codes[i] = 0;
        if (!is_there(valid, i))
            continue;
        const view_t *view = views + i, *soon = view + SOON;
        if (i + SOON < count && is_there(valid, i + SOON) && soon->length > SHORT) {
            /* Not in a function: compilers leave out one that gives nothing back. */
            __builtin_prefetch(bytes_of(soon, buffers));
            __builtin_prefetch(bytes_of(soon, buffers) + soon->length - 1);
        }
        if (before >= 0 && equal(view, views + before, buffers)) {
            codes[i] = codes[before];
            continue;
        }
        int64_t slot = (int64_t)((hash(view, buffers) >> 32) * (uint64_t)(mask + 1) >> 32), probes = 0;
        while (slots[slot] >= 0 && !equal(view, texts + slots[slot], buffers)) {
            if (++probes == PROBES)
                return -1;
            slot = (slot + 1) & mask;
        }
        if (slots[slot] < 0) {
            if (different == most)
                return -1;
            texts[different] = *view;
            slots[slot] = (int32_t)different++;
        }
        codes[i] = slots[slot];
        before = i;
    }
    return different;
}

/* Cut texts at the first `sign`: heads[i] is what is before it, or all of it; tails[i] is what is
 * behind it, if bit i of `there`, which begins as zeros, says that there is one. Parts are views of the
 * same buffers. */
void lpaudit_halves(const view_t *views, const uint8_t *const *buffers, const uint8_t *valid,
                    int64_t count, uint8_t sign, view_t *heads, view_t *tails, uint8_t *there)
{
    for (int64_t i = 0; i < count; i++) {
        const view_t *view = views + i;
        heads[i] = tails[i] = (view_t){.length = 0};
        if (!is_there(valid, i))
            continue;
        const uint8_t *begin = bytes_of(view, buffers), *end = begin + view->length;
        const uint8_t *cut = memchr(begin, sign, (size_t)view->length);
        if (cut == NULL) {
            heads[i] = *view;
            continue;
        }
        there[i >> 3] |= (uint8_t)(1 << (i & 7));
        heads[i] = part_of(view, begin, 0, (int32_t)(cut - begin));
        tails[i] = part_of(view, cut + 1, (int32_t)(cut + 1 - begin), (int32_t)(end - cut - 1));
    }
}

/* Return how many bytes texts have together. */
int64_t lpaudit_size(const view_t *views, const uint8_t *valid, int64_t count)
{
    int64_t size = 0;
    for (int64_t i = 0; i < count; i++)
        size += is_there(valid, i) ? views[i].length : 0;
    return size;
}

static int digit(uint8_t sign)
{
    if (sign >= '0' && sign <= '9')
        return sign - '0';
    sign |= 0x20;
    return sign >= 'a' && sign <= 'f' ? sign - 'a' + 10 : -1;
}

/* Return the byte that an escape stands for, and move behind it; -1: there is none at `*at`. */
static int escaped(const uint8_t **at, const uint8_t *end, int json)
{
    static const char signs[] = "abtnvfr\"\\/", bytes[] = "\a\b\t\n\v\f\r\"\\/";
    const uint8_t *begin = *at;
    const ptrdiff_t before = json ? 4 : 2; /* the digits */
    if (end - begin < 2 || *begin != '\\')
        return -1;
    if (end - begin >= before + 2 && memcmp(begin, json ? "\\u00" : "\\x", (size_t)before) == 0) {
        int high = digit(begin[before]), low = digit(begin[before + 1]);
        *at = high < 0 || low < 0 ? begin : begin + before + 2;
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }
    const char *found = memchr(signs, begin[1], json ? 10 : 9);
    *at = found ? begin + 2 : begin;
    return found ? bytes[found - signs] : -1;
}

/* Return how many bytes UTF-8 has for the character that begins with a byte; 0: none does. */
static int character(uint8_t begin)
{
    return begin < 0xc2 || begin > 0xf4 ? 0 : begin < 0xe0 ? 2 : begin < 0xf0 ? 3 : 4;
}

/* Say whether a second byte may follow a first one: not all do, or there were two ways to write a character. */
static int second_fits(int begin, int second)
{
    int least = begin == 0xe0 ? 0xa0 : begin == 0xf0 ? 0x90 : 0x80;
    int most = begin == 0xed ? 0x9f : begin == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

/* Write what the escapes at `*at` stand for that make one character, and move behind them. A byte that
 * is of none becomes \xhh: never more than the escape was. Returns how many bytes were written. */
static int put_escaped(const uint8_t **at, const uint8_t *end, int json, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    int byte = escaped(at, end, json);
    const uint8_t *next = *at;
    if (byte < 0) { /* it only looks like an escape */
        *out = *(*at)++;
        return 1;
    }
    out[0] = (uint8_t)byte;
    if (byte < 0x80)
        return 1;
    int length = character((uint8_t)byte), known = 1;
    for (; known < length; known++) {
        int more = escaped(&next, end, json);
        if (known == 1 ? !second_fits(byte, more) : more < 0x80 || more > 0xbf)
            break;
        out[known] = (uint8_t)more;
    }
    if (length && known == length) {
        *at = next;
        return length;
    }
    out[0] = '\\', out[1] = 'x', out[2] = (uint8_t)digits[byte >> 4], out[3] = (uint8_t)digits[byte & 15];
    return 4;
}

/* Undo the escapes of texts, those of accesslog.escaping's default or, with `json`, of its json. What
 * had some becomes a view of `out`, the buffer of that number, which has room for all texts as they were.
 * Returns how many bytes of it are used. */
int64_t lpaudit_unescape(const view_t *views, const uint8_t *const *buffers, const uint8_t *valid,
                         int64_t count, int32_t json, uint8_t *out, int32_t number, view_t *plain)
{
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) {
        plain[i] = views[i];
        if (!is_there(valid, i))
            continue;
        const uint8_t *at = bytes_of(views + i, buffers), *end = at + views[i].length;
        if (memchr(at, '\\', (size_t)(end - at)) == NULL)
            continue;
        uint8_t *begin = out + used, *to = begin;
        while (at < end) {
            const uint8_t *next = memchr(at, '\\', (size_t)(end - at));
            size_t before = (size_t)((next ? next : end) - at);
            memcpy(to, at, before);
            to += before, at += before;
            if (at < end)
                to += put_escaped(&at, end, json, to);
        }
        const view_t whole = {.buffer = number, .offset = (int32_t)used};
        plain[i] = part_of(&whole, begin, 0, (int32_t)(to - begin));
        used = to - out;
    }
    return used;
}

/* Write identities of lines: `prefix` and `digits` decimal digits of each offset, which has no more.
 * ends[i] and ends[i + 1] are where that of line i begins and ends in `out`. */
void lpaudit_identities(const uint8_t *prefix, int32_t length, int32_t digits, const int64_t *offsets, int64_t count,
                        uint8_t *out, int32_t *ends)
{
    int32_t end = ends[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        uint64_t left = (uint64_t)offsets[i];
        memcpy(out + end, prefix, (size_t)length);
        end += length + digits;
        for (int32_t digit = 1; digit <= digits; digit++, left /= 10)
            out[end - digit] = (uint8_t)('0' + left % 10);
        ends[i + 1] = end;
    }
}
