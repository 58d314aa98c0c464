/* Lines -> fields: the first choice of a layout's fast expression, and nothing else.
 *
 * A program is a row of steps, the same for every line. No step ever gives anything back: where
 * the first choice fails, the line is left to the expressions, which read it as they always did.
 * What is found is not copied: a field becomes a view (Arrow's string_view) of the block.
 *
 * No allocation, no global state, no input or output; every buffer is the caller's.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "view.h"
#include "wide.h"

const int32_t lpaudit_core = 5; /* raised with every change that __init__.py has to know of */

enum { BEGIN, END, RUN, TEXT, LITERAL, ANY = INT32_MAX };

enum { HOLES = 3 };

/* A set of bytes. If it is `wide`, it has those from the first one on, and so many more, but for the holes. */
typedef struct {
    uint8_t has[256]; /* 0 or 1 */
    uint8_t wide[WIDE], first[WIDE], more[WIDE], holes[HOLES][WIDE];
} set_t;

typedef struct {
    int32_t what;
    int32_t number; /* of the field, of the set of bytes; where the literal begins */
    int32_t least;  /* bytes of a run; the literal's length */
    int32_t most;   /* of a field's begin: 0, or steps to its end that look no further than a byte behind it */
} step_t;

/* Make a view of what is between two places of a block that ends at `stop`. */
static void put_view(view_t *view, const uint8_t *block, const uint8_t *stop, const uint8_t *begin, const uint8_t *end)
{
    static const uint8_t kept[2 * SHORT] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    uint8_t *first = (uint8_t *)view + sizeof view->length;
    const int32_t length = view->length = (int32_t)(end - begin);
    if (length > SHORT) {
        memcpy(first, begin, sizeof view->first);
        view->buffer = 0;
        view->offset = (int32_t)(begin - block);
    } else if (stop - begin >= SHORT) { /* as below, but always as many bytes: quicker */
        uint64_t eight, mask;
        uint32_t four, rest;
        memcpy(&eight, begin, 8), memcpy(&mask, kept + SHORT - length, 8);
        memcpy(&four, begin + 8, 4), memcpy(&rest, kept + SHORT - length + 8, 4);
        eight &= mask, four &= rest;
        memcpy(first, &eight, 8), memcpy(first + 8, &four, 4);
    } else {
        memset(first, 0, SHORT);
        memcpy(first, begin, (size_t)length);
    }
}

/* Return where the first byte is that is not in a set. No set has the line end, which is never passed. */
static const uint8_t *run(const uint8_t *at, const set_t *set, const uint8_t *stop)
{
    for (; set->wide[0] && stop - at >= WIDE; at += WIDE) {
        const wide_t bytes = wide(at);
        wide_t others = (wide_t)(bytes - wide(set->first) > wide(set->more));
        for (int hole = 0; hole < HOLES; hole++)
            others |= (wide_t)(bytes == wide(set->holes[hole]));
        const int before = first_of(others);
        if (before < WIDE)
            return at + before;
    }
    while (set->has[*at])
        at++;
    return at;
}

static const uint8_t *short_run(const uint8_t *at, const set_t *set, int32_t most)
{
    while (most-- && set->has[*at])
        at++;
    return at;
}

/* Compare a few bytes: most literals are one or two. */
static int same(const uint8_t *one, const uint8_t *other, int32_t length)
{
    while (length && *one == *other)
        one++, other++, length--;
    return !length;
}

/* Say whether the line before has had the same in a field, and the same byte behind it: times often do. */
static int again(const uint8_t *at, const uint8_t *end, const uint8_t *begin, ptrdiff_t length)
{
    return length > 0 && end - at >= length && memcmp(at, begin, (size_t)length + 1) == 0;
}

/* Follow the program from `at` to the line end at `end`; say whether it fits. `begins` and `ends` are where
 * the fields of a line before were, or where those that did not fit ended: they begin as NULL. */
static int fits(const step_t *step, const step_t *last, const set_t *sets, const uint8_t *literals,
                const uint8_t *at, const uint8_t *end, const uint8_t *stop, const uint8_t **begins,
                const uint8_t **ends)
{
    for (; step < last; step++) {
        const uint8_t *begin = at;
        switch (step->what) {
        case BEGIN: {
            const uint8_t **first = begins + step->number;
            const ptrdiff_t length = ends[step->number] - *first;
            if (step->most && again(at, end, *first, length)) {
                at = ends[step->number] = at + length;
                step += step->most;
            }
            *first = begin;
            break;
        }
        case END:
            ends[step->number] = at;
            break;
        case RUN:
            at = step->most == ANY ? run(at, sets + step->number, stop) : short_run(at, sets + step->number, step->most);
            if (at - begin < step->least)
                return 0;
            break;
        case TEXT: /* bytes of a set, and escapes: a backslash and a printable byte */
            at = run(at, sets + step->number, stop);
            while (*at == '\\' && at[1] >= 0x20 && at[1] <= 0x7e)
                at = run(at + 2, sets + step->number, stop);
            break;
        default: /* LITERAL */
            if (end - at < step->least || !same(at, literals + step->number, step->least))
                return 0;
            at += step->least;
        }
    }
    return at == end || (end - at == 1 && *at == '\r');
}

/* Return how many line ends a block has. */
int64_t lpaudit_ends(const uint8_t *block, int64_t size)
{
    int64_t count = 0;
    for (int64_t at = 0; at < size;) {
        const int64_t stop = size - at < UINT8_MAX ? size : at + UINT8_MAX;
        uint8_t some = 0; /* a small number: many of them are added at once */
        for (; at < stop; at++)
            some += block[at] == '\n';
        count += some;
    }
    return count;
}

/* Read a block of at most 2 GiB. Of line i: lengths[i] are its bytes with the line end, found[i] is 0
 * where the program does not fit, 1 where it does, 2 where it does and the line has a backslash.
 * views[f * lines + i] is field f of it; nothing where the program does not fit.
 * Lines of more than `longest` bytes, and a last one without its end, are not looked at; `begins` and
 * `ends` have a NULL for each field. */
void lpaudit_fields(const uint8_t *block, int64_t size, int64_t lines, int64_t longest, const step_t *steps,
                    int64_t count, int64_t fields, const set_t *sets, const uint8_t *literals,
                    const uint8_t **begins, const uint8_t **ends, view_t *views, uint8_t *found, int64_t *lengths)
{
    const uint8_t *at = block, *stop = block + size;
    for (int64_t line = 0; at < stop && line < lines; line++) {
        const uint8_t *end = memchr(at, '\n', (size_t)(stop - at)), *next = end ? end + 1 : stop;
        lengths[line] = next - at;
        found[line] = end && next - at <= longest &&
                      fits(steps, steps + count, sets, literals, at, end, stop, begins, ends);
        view_t *view = views + line;
        for (int64_t field = 0; field < fields; field++, view += lines) {
            if (found[line])
                put_view(view, block, stop, begins[field], ends[field]);
            else
                *view = (view_t){.length = 0};
        }
        if (found[line])
            found[line] += memchr(at, '\\', (size_t)(end - at)) != NULL;
        at = next;
    }
}

/* Put texts into a column of lpaudit_fields: some[k] is that of line places[k], a view of the buffers
 * from number `buffer` on. Lines of which bit k of `valid` says that there is none lose their bit in
 * `there`. */
void lpaudit_put(view_t *views, uint8_t *there, const uint32_t *places, int64_t count, const view_t *some,
                 const uint8_t *valid, int32_t buffer)
{
    for (int64_t k = 0; k < count; k++) {
        const uint32_t line = places[k];
        views[line] = some[k];
        if (some[k].length > SHORT)
            views[line].buffer += buffer;
        if (valid != NULL && !(valid[k >> 3] >> (k & 7) & 1))
            there[line >> 3] &= (uint8_t)~(1 << (line & 7));
    }
}
