/* hemma-top: a dashboard of a Docker host, over SSH. The command line, and nothing else. */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app.h"
#include "cli.h"
#include "snapshot.h"

/* We draw and measure UTF-8 in every locale; whether the terminal takes it is another question. */
static bool locale_is_utf8(void)
{
    setlocale(LC_CTYPE, "");
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setlocale(LC_CTYPE, "C.UTF-8");
    return utf8;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct error error = {0};
    bool utf8 = locale_is_utf8();
    if (cli_parse(&cli, argc, argv, &error) < 0) {
        fprintf(stderr, "hemma-top: %s\nTry 'hemma-top --help'.\n", error.text);
        return EXIT_USAGE;
    }
    cli.ascii |= !utf8;

    /* A write to a connection that is gone is an error, not the end. No core dump: it would hold
     * what was typed. */
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});

    switch (cli.command) {
    case CLI_HELP:
        cli_help(stdout);
        return 0;
    case CLI_VERSION:
        puts("hemma-top " HEMMA_VERSION);
        return 0;
    case CLI_SNAPSHOT:
        return snapshot_run(&cli);
    case CLI_DASHBOARD:
        break;
    }
    /* The screen needs both; a pipe gets the text instead. */
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return snapshot_run(&cli);
    return app_run(&cli);
}
