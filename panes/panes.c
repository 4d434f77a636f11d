#include "panes/panes.h"

const struct pane *const panes[] = {
    &pane_containers,
    &pane_host,
    &pane_events,
    NULL,
};
