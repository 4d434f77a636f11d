/* The panes there are. A new one is a file here and a line in panes.c. */
#ifndef PANES_PANES_H
#define PANES_PANES_H

#include "ui/pane.h"

extern const struct pane pane_containers, pane_host, pane_events;

#endif
