/* Lines -> fields: the first choice of a layout's fast expression, and nothing else.
 *
 * A program is a row of steps, the same for every line. No step ever gives anything back: where
 * the first choice fails, the line is left to the expressions, which read it as they always did.
 * What is found is not copied: a field becomes a view (Arrow's string_view) of the block.
 *
 * No allocation, no global state, no input or output; every buffer is the caller's.
 */
#include <stdint.h>
#include <string.h>

const int32_t lpaudit_core = 2; /* raised with every change that core.py has to know of */

enum { BEGIN, END, RUN, TEXT, LITERAL, ANY = INT32_MAX };

typedef struct {
    int32_t what;
    int32_t number; /* of the field, of the set of bytes; where the literal begins */
    int32_t least;  /* bytes of a run; the literal's length */
    int32_t most;
} step_t;

typedef struct {
    int32_t length;
    char first[4]; /* all of it where it is short: up to twelve bytes, the next two members too */
    int32_t buffer;
    int32_t offset;
} view_t;

static view_t view_of(const uint8_t *block, const uint8_t *begin, const uint8_t *end)
{
    view_t view = {.length = (int32_t)(end - begin)};
    if (view.length <= 12) {
        memcpy(view.first, begin, (size_t)view.length);
    } else {
        memcpy(view.first, begin, sizeof view.first);
        view.offset = (int32_t)(begin - block);
    }
    return view;
}

/* Return where the first byte is that is not in a set. No set has the line end, which is never passed. */
static const uint8_t *run(const uint8_t *at, const uint8_t *set)
{
    for (;; at += 4) {
        if (!set[at[0]])
            return at;
        if (!set[at[1]])
            return at + 1;
        if (!set[at[2]])
            return at + 2;
        if (!set[at[3]])
            return at + 3;
    }
}

static const uint8_t *short_run(const uint8_t *at, const uint8_t *set, int32_t most)
{
    while (most-- && set[*at])
        at++;
    return at;
}

/* Follow the program from `at` to the line end at `end`; say whether it fits. */
static int fits(const step_t *step, const step_t *last, const uint8_t (*sets)[256], const uint8_t *literals,
                const uint8_t *at, const uint8_t *end, const uint8_t **begins, const uint8_t **ends)
{
    for (; step < last; step++) {
        const uint8_t *begin = at;
        switch (step->what) {
        case BEGIN:
            begins[step->number] = at;
            break;
        case END:
            ends[step->number] = at;
            break;
        case RUN:
            at = step->most == ANY ? run(at, sets[step->number]) : short_run(at, sets[step->number], step->most);
            if (at - begin < step->least)
                return 0;
            break;
        case TEXT: /* bytes of a set, and escapes: a backslash and a printable byte */
            at = run(at, sets[step->number]);
            while (*at == '\\' && at[1] >= 0x20 && at[1] <= 0x7e)
                at = run(at + 2, sets[step->number]);
            break;
        default: /* LITERAL */
            if (*at != literals[step->number] || end - at < step->least ||
                memcmp(at, literals + step->number, (size_t)step->least) != 0)
                return 0;
            at += step->least;
        }
    }
    return at == end || (end - at == 1 && *at == '\r');
}

/* Read a block of at most 2 GiB. Of line i: lengths[i] are its bytes with the line end, found[i] is 0
 * where the program does not fit, 1 where it does, 2 where it does and the line has a backslash.
 * views[f * room + k] is field f of the k-th line that fits; there is room for all that can.
 * Lines of more than `longest` bytes, and a last one without its end, are not looked at; `begins` and
 * `ends` have room for a pointer a field. Returns how many lines fit. */
int64_t lpaudit_fields(const uint8_t *block, int64_t size, int64_t lines, int64_t longest, int64_t room,
                       const step_t *steps, int64_t count, int64_t fields, const uint8_t (*sets)[256],
                       const uint8_t *literals, const uint8_t **begins, const uint8_t **ends, view_t *views,
                       uint8_t *found, int64_t *lengths)
{
    const uint8_t *at = block, *stop = block + size;
    int64_t fitting = 0;
    for (int64_t line = 0; at < stop && line < lines; line++) {
        const uint8_t *end = memchr(at, '\n', (size_t)(stop - at)), *next = end ? end + 1 : stop;
        lengths[line] = next - at;
        found[line] = end && next - at <= longest && fitting < room &&
                      fits(steps, steps + count, sets, literals, at, end, begins, ends);
        if (found[line]) {
            for (int64_t field = 0; field < fields; field++)
                views[field * room + fitting] = view_of(block, begins[field], ends[field]);
            found[line] += memchr(at, '\\', (size_t)(end - at)) != NULL;
            fitting++;
        }
        at = next;
    }
    return fitting;
}

/* Say where each line of a block begins, and at last where the block ends. */
void lpaudit_lines(const uint8_t *block, int64_t size, int64_t lines, int64_t *begins)
{
    const uint8_t *at = block, *stop = block + size;
    for (int64_t line = 0; line < lines; line++) {
        const uint8_t *end = at < stop ? memchr(at, '\n', (size_t)(stop - at)) : NULL;
        begins[line] = at - block;
        at = end ? end + 1 : stop;
    }
    begins[lines] = size;
}
