/* A text as Arrow's string_view has it. */
#ifndef LPAUDIT_VIEW_H
#define LPAUDIT_VIEW_H

#include <stdint.h>

enum { SHORT = 12 };

typedef struct {
    int32_t length;
    uint8_t first[4]; /* all of it where it is SHORT: the next two members too */
    int32_t buffer;
    int32_t offset; /* in that buffer */
} view_t;

#endif
