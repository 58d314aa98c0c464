/* Lines -> where secrets are in them: what lpaudit.logformat.redact finds with expressions, found with
 * one look at each byte. What a secret is, and why, is said there; a function here is an expression there,
 * of the same name, and a test holds the one against the other.
 *
 * A byte of few begins to look, beside another one: of most lines none does. What an expression has found ends before it
 * finds something else: that is what `until` is for.
 *
 * No allocation, no global state, no input or output; every buffer is the caller's.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wide.h"

/* Sets of bytes, as redact.py has them in _CLASSES. None has the line end. */
enum {
    WORD = 1 << 0,     /* \w */
    PART = 1 << 1,     /* [\w-] */
    DASHED = 1 << 2,   /* [A-Za-z0-9-] */
    PLAIN = 1 << 3,    /* [A-Za-z0-9] */
    CAPITAL = 1 << 4,  /* [0-9A-Z] */
    NAME = 1 << 5,     /* [\w.%[\]-] */
    BEHIND = 1 << 6,   /* [\w%\]-] */
    DOTTED = 1 << 7,   /* [\w.%-] */
    VALUE = 1 << 8,    /* [^&;#\s"] */
    SPACE = 1 << 9,    /* \s */
    USER = 1 << 10,    /* [^/\s:@"] */
    PASSWORD = 1 << 11, /* [^/\s"] */
    GIVEN = 1 << 12,   /* [A-Za-z0-9+/._~=-] */
    BASE64 = 1 << 13,  /* [A-Za-z0-9+/] */
    CHANCE = 1 << 14,  /* [A-Za-z0-9+/_-] */
};

enum { PREFECT, WEB_TOKEN, CREDENTIALS, IN_URL, PARAMETER, KEY, AWS, GITHUB, SLACK, GOOGLE, FIELD, ALONE, CHANCES, KINDS };

typedef struct {
    int64_t begin;
    int64_t end;
} span_t;

typedef struct {
    const uint16_t *classes;
    const uint8_t *block, *begin, *end; /* of the line */
    const uint8_t *until[KINDS];
    span_t *spans;
    int64_t count, room;
} search_t;

static const uint8_t *run(const search_t *search, const uint8_t *at, int set)
{
    while (at < search->end && search->classes[*at] & set)
        at++;
    return at;
}

static uint8_t small(uint8_t sign)
{
    return sign >= 'A' && sign <= 'Z' ? sign | 0x20 : sign;
}

/* Say whether a text is at `at`, before `end`. */
static int is(const uint8_t *at, const uint8_t *end, const char *text)
{
    size_t length = strlen(text);
    return end - at >= (ptrdiff_t)length && memcmp(at, text, length) == 0;
}

/* Return how long a name is at `at`, in letters of any case; 0: it is not there. A - in it is one of -_, or nothing. */
static ptrdiff_t named(const uint8_t *at, const uint8_t *end, const char *name)
{
    const uint8_t *begin = at;
    for (; *name; name++) {
        if (*name == '-')
            at += at < end && (*at == '-' || *at == '_');
        else if (at < end && small(*at) == (uint8_t)*name)
            at++;
        else
            return 0;
    }
    return at - begin;
}

static inline int one_of(uint8_t sign, const char *signs)
{
    while (*signs && (uint8_t)*signs != sign)
        signs++;
    return *signs != 0;
}

static int is_hex(uint8_t sign)
{
    return (sign >= '0' && sign <= '9') || (small(sign) >= 'a' && small(sign) <= 'f');
}

/* Say whether something begins at `at`: behind what is not in a set, or was escaped: \t, \xc3. */
static int begins(const search_t *search, const uint8_t *at, int set)
{
    ptrdiff_t before = at - search->begin;
    if (before == 0 || !(search->classes[at[-1]] & set))
        return 1;
    if (before >= 2 && at[-2] == '\\' && one_of(at[-1], "abefnrtv"))
        return 1;
    return before >= 4 && at[-4] == '\\' && at[-3] == 'x' && is_hex(at[-2]) && is_hex(at[-1]);
}

/* Return how long what stands between a kind of credentials and these is; 0: it is not there. */
static ptrdiff_t gap(const uint8_t *at, const uint8_t *end)
{
    if (at < end && (*at == ' ' || *at == '+'))
        return 1;
    return is(at, end, "%20") ? 3 : 0;
}

/* Return how much of a token says only what it is. */
static ptrdiff_t prefix(const uint8_t *at, const uint8_t *end)
{
    if (end - at >= 4 && at[0] == 'p' && at[1] == 'n' && one_of(at[2], "ub") && at[3] == '_')
        return 4;
    if (end - at >= 4 && at[0] == 'g' && at[1] == 'h' && one_of(at[2], "pousr") && at[3] == '_')
        return 4;
    if (end - at >= 5 && is(at, end, "xox") && one_of(at[3], "abprs") && at[4] == '-')
        return 5;
    return is(at, end, "eyJ") ? 3 : is(at, end, "AKIA") || is(at, end, "AIza") ? 4 : is(at, end, "github_pat_") ? 11 : 0;
}

static const uint8_t *mask_from(const uint8_t *begin, const uint8_t *end)
{
    static const char *const schemes[] = {"basic", "bearer", "digest", "token"};
    const uint8_t *at = begin;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes && at == begin; i++) {
        ptrdiff_t length = named(begin, end, schemes[i]), more = length ? gap(begin + length, end) : 0;
        at += more ? length + more : 0;
    }
    at += prefix(at, end);
    return at < end ? at : begin;
}

/* Note a secret. Where there is no room for it, it is counted all the same. */
static void found(search_t *search, int kind, const uint8_t *begin, const uint8_t *end)
{
    search->until[kind] = end;
    if (search->count < search->room) {
        span_t *span = search->spans + search->count;
        span->begin = mask_from(begin, end) - search->block;
        span->end = end - search->block;
    }
    search->count++;
}

/* A token that begins at `begin`, and goes on from `at` with at least so many bytes of a set. */
static void token(search_t *search, int kind, const uint8_t *begin, const uint8_t *at, int set, ptrdiff_t least)
{
    if (begin < search->until[kind] || !begins(search, begin, WORD))
        return;
    const uint8_t *end = run(search, at, set);
    if (end - at >= least)
        found(search, kind, begin, end);
}

static void underscore(search_t *search, const uint8_t *at)
{
    ptrdiff_t before = at - search->begin;
    if (before >= 3 && at[-3] == 'p' && at[-2] == 'n' && one_of(at[-1], "ub"))
        token(search, PREFECT, at - 3, at + 1, PART, 4);
    else if (before >= 3 && at[-3] == 'g' && at[-2] == 'h' && one_of(at[-1], "pousr"))
        token(search, GITHUB, at - 3, at + 1, PLAIN, 20);
    else if (before >= 10 && is(at - 10, at, "github_pat"))
        token(search, GITHUB, at - 10, at + 1, WORD, 20);
}

static void web_token(search_t *search, const uint8_t *begin)
{
    if (begin < search->until[WEB_TOKEN] || !begins(search, begin, PART))
        return;
    const uint8_t *head = begin + 3, *end = run(search, head, PART);
    if (end - head < 5)
        return;
    for (int dots = 0; dots < 2; dots++) {
        if (end == search->end || *end != '.')
            return;
        end = run(search, end + 1, PART);
    }
    found(search, WEB_TOKEN, begin, end);
}

/* A key that begins at `begin` with four known letters, of so many bytes of a set. */
static void key(search_t *search, int kind, const uint8_t *begin, int set, ptrdiff_t length)
{
    if (begin < search->until[kind] || !begins(search, begin, WORD) || search->end - begin < length)
        return;
    const uint8_t *end = begin + length;
    for (const uint8_t *at = begin + 4; at < end; at++)
        if (!(search->classes[*at] & set))
            return;
    if (kind == AWS && end < search->end && search->classes[*end] & WORD)
        return; /* it would be longer */
    found(search, kind, begin, end);
}

/* Say whether a word of prose is at `at`: letters, perhaps a capital first, and no more of a token. */
static int prose(const search_t *search, const uint8_t *at)
{
    at += at < search->end && *at >= 'A' && *at <= 'Z';
    for (; at < search->end && ((*at >= 'a' && *at <= 'z') || *at == '-'); at++)
        if (*at == '-')
            return 1;
    return at == search->end || !(search->classes[*at] & WORD || one_of(*at, "~.+/="));
}

static void credentials(search_t *search, const uint8_t *begin)
{
    static const char *const schemes[] = {"Bearer", "Basic", "Digest", "Token"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!is(begin, search->end, schemes[i]))
            continue;
        const uint8_t *at = begin + strlen(schemes[i]);
        ptrdiff_t length = gap(at, search->end);
        at += length;
        if (length == 0 || begin < search->until[CREDENTIALS] || !begins(search, begin, WORD))
            return;
        if (i > 0 && prose(search, at))
            return;
        if (is(at, search->end, "HTTP/") && search->end - at > 5 && at[5] >= '0' && at[5] <= '9')
            return;
        const uint8_t *end = run(search, at, GIVEN);
        if (end - at >= 8)
            found(search, CREDENTIALS, at, end);
        return;
    }
}

static void password_in_url(search_t *search, const uint8_t *colon)
{
    if (colon < search->until[IN_URL] || !is(colon, search->end, "://"))
        return;
    const uint8_t *user = colon + 3, *at = run(search, user, USER);
    if (at - user > 100 || at == search->end || *at != ':')
        return;
    const uint8_t *begin = at + 1, *end = run(search, begin, PASSWORD);
    while (end > begin && *--end != '@')
        ;
    if (end > begin)
        found(search, IN_URL, begin, end);
}

/* Return how long a word is at `at` that says that a secret follows; 0: there is none. */
static ptrdiff_t word(const search_t *search, const uint8_t *at)
{
    static const char *const words[] = {
        "authorization", "authorisation", "auth-key", "auth-string", "access-key", "api-key",
        "cookie", "credential", "passw", "passphrase", "pass", "private-key", "pwd", "secret",
        "session-id", "session-key", "token",
    };
    if (!one_of(small(*at), "acpst"))
        return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (*words[i] != small(*at))
            continue;
        ptrdiff_t length = named(at, search->end, words[i]), before = at - search->begin;
        if (length == 0)
            continue;
        if (strcmp(words[i], "pass") == 0) {
            uint8_t next = at + length < search->end ? small(at[length]) : 0;
            if ((before > 0 && small(at[-1]) >= 'a' && small(at[-1]) <= 'z') || (next >= 'a' && next <= 'z') ||
                next == '_' || next == '-')
                continue;
        }
        if (strncmp(words[i], "session", 7) == 0 && before >= 4 && named(at - 4, at, "ssl_"))
            continue;
        return length;
    }
    return 0;
}

/* Say whether what begins at `at` like such a word is none: what is said of a token, and where a list goes on. */
static int no_word(const search_t *search, const uint8_t *at)
{
    static const char *const before[] = {"page", "next", "continuation"};
    static const char *const whole[] = {"token-type", "token-id", "token-fail"};
    if (!named(at, search->end, "token"))
        return 0;
    if (named(at, search->end, "tokens") && run(search, at + 6, PART) == at + 6)
        return 1;
    const uint8_t *end = at > search->begin && one_of(at[-1], "-_") ? at - 1 : at;
    for (int i = 0; i < 3; i++) {
        ptrdiff_t length = (ptrdiff_t)strlen(before[i]);
        if (named(at, search->end, whole[i]) || (end - search->begin >= length && named(end - length, end, before[i])))
            return 1;
    }
    return 0;
}

/* A field of a name with such a word, and its value in quotes: cookie="…", "authorization": "…". */
static void field(search_t *search, const uint8_t *sign)
{
    const uint8_t *at = sign + 1;
    at += at < search->end && search->classes[*at] & SPACE;
    if (at >= search->end || *at != '"')
        return;
    const uint8_t *value = ++at, *name = sign, *least = search->begin;
    name -= name > least && name[-1] == '"';
    if (search->until[FIELD] > least)
        least = search->until[FIELD];
    const uint8_t *end = name;
    while (name > least && end - name < 53 && search->classes[name[-1]] & PART)
        name--;
    ptrdiff_t length = 0;
    for (; name < end; name++)
        if ((length = word(search, name)) && end - name - length >= 0 && end - name - length <= 40 &&
            !no_word(search, name))
            break;
    if (name >= end)
        return;
    int units = 0;
    for (; at < search->end && *at != '"'; at++, units += units < 3)
        if (*at == '\\' && ++at == search->end) {
            at--;
            break;
        }
    if (units >= 3)
        found(search, FIELD, value, at);
}

/* Say whether a parameter's name has such a word. */
static int says_secret(const search_t *search, const uint8_t *name, const uint8_t *end)
{
    const uint8_t *behind = end; /* what may follow the word */
    while (behind > name && end - behind < 20 && search->classes[behind[-1]] & BEHIND)
        behind--;
    for (const uint8_t *at = name; at < end && at - name <= 40; at++) {
        ptrdiff_t length = word(search, at);
        if (length && at + length >= behind && at + length <= end && !no_word(search, at))
            return 1;
    }
    return 0;
}

static int is_switch(const uint8_t *value, const uint8_t *end)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "none", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (end > value && named(value, end, words[i]) == end - value)
            return 1;
    return 0;
}

static int is_key(const uint8_t *name, const uint8_t *end)
{
    static const char *const keys[] = {"key", "sig", "signature", "x!amz!signature"};
    char plain[16] = "";
    ptrdiff_t length = end - name;
    for (ptrdiff_t i = 0; i < length && i < 15; i++)
        plain[i] = name[i] == '-' ? '!' : (char)small(name[i]);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (length <= 15 && strlen(keys[i]) == (size_t)length && memcmp(keys[i], plain, (size_t)length) == 0)
            return 1;
    return 0;
}

/* Say whether a run of characters looks as if chance had made it. */
static int is_random(const uint8_t *begin, const uint8_t *end)
{
    int32_t counts[128] = {0};
    int capital = 0, letter = 0, digit = 0;
    for (const uint8_t *at = begin; at < end; at++) {
        counts[*at]++;
        capital |= *at >= 'A' && *at <= 'Z';
        letter |= *at >= 'a' && *at <= 'z';
        digit |= *at >= '0' && *at <= '9';
    }
    if (!capital || !letter || !digit)
        return 0;
    double sum = 0, length = (double)(end - begin);
    for (int sign = 0; sign < 128; sign++)
        if (counts[sign] > 1)
            sum += counts[sign] * log2(counts[sign]);
    return log2(length) - sum / length >= 3.7;
}

/* Say whether a name is that of where a list goes on. */
static int is_cursor(const search_t *search, const uint8_t *name, const uint8_t *end)
{
    static const char *const words[] = {"cursor", "page-token", "next-token", "continuation-token"};
    for (const uint8_t *at = name; at < end; at++)
        if (!(search->classes[*at] & PART))
            return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (const uint8_t *at = name; at < end; at++)
            if (named(at, end, words[i]) == end - at)
                return 1;
    return 0;
}

/* A value that chance has made, whatever its name is. */
static void chance(search_t *search, const uint8_t *name, const uint8_t *sign)
{
    const uint8_t *value = sign + 1, *end = run(search, value, CHANCE);
    if (end - value < 24 || name - 1 < search->until[CHANCES] || sign - name > 40)
        return;
    for (const uint8_t *at = name; at < sign; at++)
        if (!(search->classes[*at] & DOTTED))
            return;
    if (is_cursor(search, name, sign))
        return;
    int looks = 0;
    for (const uint8_t *at = value; at < end && !looks; at++) {
        const uint8_t *begin = at;
        at = run(search, at, BASE64);
        looks = at - begin >= 20 && is_random(begin, at);
    }
    for (int more = 0; more < 2 && end < search->end && *end == '='; more++)
        end++;
    search->until[CHANCES] = end;
    if (looks)
        found(search, CHANCES, value, end);
}

/* A name and a value with `sign` between them: a URL's parameter, or one that is logged by itself. */
static void parameter(search_t *search, const uint8_t *sign)
{
    const uint8_t *name = sign;
    while (name > search->begin && sign - name < 80 && search->classes[name[-1]] & NAME)
        name--;
    if (name == sign || sign - name == 80)
        return;
    int first = name == search->begin, before = first ? 0 : name[-1];
    int in_url = one_of((uint8_t)before, "?&;#"), quoted = before == '"';
    int alone = quoted || (first ? name > search->block : search->classes[before] & SPACE);
    int kind = in_url ? PARAMETER : ALONE;
    int secret = (in_url || alone) && name - in_url >= search->until[kind] && says_secret(search, name, sign);
    int is_a_key = (in_url || quoted) && name - 1 >= search->until[KEY] && is_key(name, sign);
    if (secret || is_a_key) {
        const uint8_t *value = sign + 1, *end = run(search, value, VALUE);
        if (secret && end - value >= 3 && !is_switch(value, end))
            found(search, kind, value, end);
        if (is_a_key && end - value >= 3)
            found(search, KEY, value, end);
    }
    if (before == '?' || before == '&' || quoted)
        chance(search, name, sign);
}

static void look(search_t *search, const uint8_t *at)
{
    ptrdiff_t before = at - search->begin;
    switch (*at) {
    case '=':
        parameter(search, at);
        field(search, at);
        break;
    case ':':
        password_in_url(search, at);
        field(search, at);
        break;
    case '_':
        underscore(search, at);
        break;
    case 'J':
        if (before >= 2 && is(at - 2, at, "ey"))
            web_token(search, at - 2);
        break;
    case 'K':
        if (before >= 1 && is(at - 1, search->end, "AKIA"))
            key(search, AWS, at - 1, CAPITAL, 20);
        break;
    case 'z':
        if (before >= 2 && is(at - 2, search->end, "AIza"))
            key(search, GOOGLE, at - 2, PART, 39);
        break;
    case 'x':
        if (search->end - at >= 5 && prefix(at, search->end) == 5)
            token(search, SLACK, at, at + 5, DASHED, 10);
        break;
    case 'k':
        if (before >= 2 && is(at - 2, at, "To"))
            credentials(search, at - 2);
        break;
    default: /* B, D */
        credentials(search, at);
    }
}

enum { CHUNK = 64 };

/* Return a bit for each of CHUNK bytes that `look` may find something at: it knows more, but most of them have
 * other bytes beside them than it needs. */
static uint64_t signs(const uint8_t *at)
{
    uint64_t bits = 0;
    for (int part = 0; part < CHUNK; part += WIDE) {
        const wide_t before = wide(at + part - 1), here = wide(at + part), after = wide(at + part + 1);
#define IS(bytes, sign) ((wide_t)((bytes) == (sign)))
        const wide_t found = IS(here, '=') | (IS(here, ':') & (wide_t)(after <= '/')) |
                             (IS(here, '_') & ((wide_t)((wide_t)(before - 'o') <= 'u' - 'o') | IS(before, 'b'))) |
                             (IS(here, 'J') & IS(before, 'y')) | (IS(here, 'K') & IS(before, 'A')) |
                             (IS(here, 'z') & IS(before, 'I')) | (IS(here, 'x') & IS(after, 'o')) |
                             (IS(here, 'k') & IS(before, 'o')) | (IS(here, 'D') & IS(after, 'i')) |
                             (IS(here, 'B') & (IS(after, 'e') | IS(after, 'a')));
#undef IS
        bits |= bits_of(found) << part;
    }
    return bits;
}

/* Look at the bytes of a line from `at` on, CHUNK of them at most. */
static void look_at_some(search_t *search, const uint8_t *at, const uint8_t *stop)
{
    const ptrdiff_t left = search->end - at < CHUNK ? search->end - at : CHUNK;
    if (at == search->block || stop - at <= CHUNK) { /* there are no bytes beside them */
        for (ptrdiff_t i = 0; i < left; i++)
            if (one_of(at[i], "=:_JKzxBDk"))
                look(search, at + i);
        return;
    }
    for (uint64_t bits = signs(at); bits; bits &= bits - 1) {
        const int i = __builtin_ctzll(bits);
        if (i >= left)
            break;
        look(search, at + i);
    }
}

/* Look for secrets in the lines of a block from the one on that begins at byte `from`. There is room for
 * so many; *count says how many there are. Returns where the first line begins that was not looked at
 * because there was no room for what is in it, or the block's size. */
int64_t lpaudit_secrets(const uint8_t *block, int64_t size, int64_t from, const uint16_t *classes, span_t *spans,
                        int64_t room, int64_t *count)
{
    search_t search = {.classes = classes, .block = block, .spans = spans, .room = room};
    const uint8_t *stop = block + size;
    *count = 0;
    for (const uint8_t *line = block + from; line < stop; line = search.end + 1) {
        const uint8_t *end = memchr(line, '\n', (size_t)(stop - line));
        search.begin = line;
        search.end = end ? end : stop;
        for (int kind = 0; kind < KINDS; kind++)
            search.until[kind] = line;
        for (const uint8_t *at = line; at < search.end; at += CHUNK)
            look_at_some(&search, at, stop);
        if (search.count > room)
            return line - block;
        *count = search.count;
    }
    return size;
}
