/* Logging in, in OpenSSH's order: agent, key files, keyboard-interactive, password.
 *
 * No "none" request first, and no question whether a key that needs no passphrase would do: each is
 * a round trip. The first refusal says what the server accepts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "remote/ssh.h"

#define TRIES 3 /* of a passphrase */
#define SECRET_MAX 1024
#define KEY_TIMEOUT_MS 30000
/* The server may itself wait for somebody: a push to a phone. sshd's LoginGraceTime is 120 s. */
#define PERSON_TIMEOUT_MS 120000
#define ROUNDS_MAX 16

struct login {
    struct ssh_link *link;
    struct buf tried; /* "the agent (2 keys), ~/.ssh/id_ed25519" */
    bool unasked;     /* a question would have been needed: batch mode */
    ssh_key key;
    const char *secret;
};

static const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void tried(struct login *login, const char *what)
{
    buf_addf(&login->tried, "%s%s", login->tried.len > 0 ? ", " : "", what);
}

/* Methods that the server still accepts; before its first answer that is not known: all. */
static bool accepts(const struct login *login, int method)
{
    int list = ssh_userauth_list(login->link->session, NULL);
    return list == 0 || (list & method) != 0;
}

static int step_none(struct ssh_link *link, void *arg)
{
    (void)arg;
    return ssh_userauth_none(link->session, NULL);
}

static int step_offer(struct ssh_link *link, void *arg)
{
    struct login *login = arg;
    return ssh_userauth_try_publickey(link->session, NULL, login->key);
}

static int step_key(struct ssh_link *link, void *arg)
{
    struct login *login = arg;
    return ssh_userauth_publickey(link->session, NULL, login->key);
}

static int step_password(struct ssh_link *link, void *arg)
{
    struct login *login = arg;
    return ssh_userauth_password(link->session, NULL, login->secret);
}

static int step_interactive(struct ssh_link *link, void *arg)
{
    (void)arg;
    return ssh_userauth_kbdint(link->session, NULL, NULL);
}

static int ask(struct login *login, enum question_kind kind, const char *title, const char *detail,
               char *ret_answer)
{
    struct remote_question question = {.kind = kind};
    text_clean(question.title, sizeof(question.title), title, SIZE_MAX);
    text_clean(question.detail, sizeof(question.detail), detail, SIZE_MAX);
    int status = link_ask(login->link, &question, ret_answer, SECRET_MAX);
    login->unasked |= status == -ENOKEY;
    return status;
}

/* Only notes that the key has a passphrase. */
static int on_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify, void *ctx)
{
    (void)prompt;
    (void)buf;
    (void)len;
    (void)echo;
    (void)verify;
    *(bool *)ctx = true;
    return -1;
}

/* Does the server want this key at all? Asked before the operator is asked for its passphrase. */
static bool is_wanted(struct login *login, const char *path)
{
    char public[SSH_SETTINGS_PATH + 8];
    ssh_key key = NULL;
    snprintf(public, sizeof(public), "%s.pub", path);
    if (ssh_pki_import_pubkey_file(public, &key) != SSH_OK &&
        ssh_pki_import_pubkey_file(path, &key) != SSH_OK)
        return true; /* who knows */
    login->key = key;
    int status = link_step(login->link, step_offer, login, KEY_TIMEOUT_MS);
    login->key = NULL;
    ssh_key_free(key);
    return status == SSH_AUTH_SUCCESS;
}

static int unlock(struct login *login, const char *path, ssh_key *ret_key)
{
    char title[SSH_SETTINGS_PATH + 32], secret[SECRET_MAX];
    int status = -EPERM;
    snprintf(title, sizeof(title), "Passphrase for %s", path);
    for (int i = 0; i < TRIES && status == -EPERM; i++) {
        status =
            ask(login, QUESTION_SECRET, title, i > 0 ? "Wrong passphrase, try again." : "", secret);
        if (status < 0)
            break;
        if (ssh_pki_import_privkey_file(path, secret, NULL, NULL, ret_key) != SSH_OK)
            status = -EPERM;
    }
    explicit_bzero(secret, sizeof(secret));
    return status;
}

/* Returns an SSH_AUTH_ code, or a negative errno: -ECANCELED, -ECONNRESET. SSH_AUTH_ERROR is -1. */
static int try_file(struct login *login, const char *path)
{
    bool locked = false;
    ssh_key key = NULL;
    if (access(path, R_OK) < 0)
        return SSH_AUTH_DENIED;
    if (ssh_pki_import_privkey_file(path, NULL, on_passphrase, &locked, &key) != SSH_OK) {
        if (!locked) {
            tried(login, path_name(path));
            buf_adds(&login->tried, " (not a key that can be read)");
            return SSH_AUTH_DENIED;
        }
        tried(login, path_name(path));
        if (!is_wanted(login, path))
            return SSH_AUTH_DENIED;
        int status = unlock(login, path, &key);
        if (status == -ECANCELED || status == -ECONNRESET)
            return status;
        if (status < 0) {
            buf_adds(&login->tried, " (its passphrase is needed)");
            return SSH_AUTH_DENIED;
        }
    } else {
        tried(login, path_name(path));
    }
    login->key = key;
    int status = link_step(login->link, step_key, login, KEY_TIMEOUT_MS);
    login->key = NULL;
    ssh_key_free(key);
    return status;
}

static int try_agent(struct login *login)
{
    int keys = 0;
    char count[32];
    if (login->link->settings.agent[0] == '\0')
        return SSH_AUTH_DENIED;
    int status = agent_login(login->link, &keys);
    snprintf(count, sizeof(count), "the agent (%d %s)", keys, keys == 1 ? "key" : "keys");
    tried(login, count);
    return status;
}

static int try_keys(struct login *login)
{
    const struct ssh_settings *settings = &login->link->settings;
    if (!settings->pubkey)
        return SSH_AUTH_DENIED;
    int status = try_agent(login);
    for (int i = 0; status == SSH_AUTH_DENIED && i < settings->identities.count; i++) {
        if (!accepts(login, SSH_AUTH_METHOD_PUBLICKEY))
            break;
        status = try_file(login, settings->identities.path[i]);
    }
    return status;
}

/* One set of prompts. */
static int answer_prompts(struct login *login)
{
    ssh_session session = login->link->session;
    char detail[1024], title[1024], answer[SECRET_MAX];
    const char *name = ssh_userauth_kbdint_getname(session);
    const char *instruction = ssh_userauth_kbdint_getinstruction(session);
    int prompts = ssh_userauth_kbdint_getnprompts(session);
    int status = 0;
    snprintf(detail, sizeof(detail), "%s%s%s", name != NULL ? name : "",
             name != NULL && name[0] != '\0' ? ": " : "", instruction != NULL ? instruction : "");
    for (int i = 0; i < prompts && status == 0; i++) {
        char echo = 0;
        const char *prompt = ssh_userauth_kbdint_getprompt(session, (unsigned)i, &echo);
        snprintf(title, sizeof(title), "%s@%s: %s", login->link->settings.user,
                 login->link->settings.host, prompt != NULL ? prompt : "");
        status = ask(login, echo ? QUESTION_TEXT : QUESTION_SECRET, title, detail, answer);
        if (status == 0 && ssh_userauth_kbdint_setanswer(session, (unsigned)i, answer) < 0)
            status = -ENOMEM;
    }
    explicit_bzero(answer, sizeof(answer));
    return status;
}

static int try_interactive(struct login *login)
{
    int status = SSH_AUTH_DENIED;
    if (!login->link->settings.interactive || !accepts(login, SSH_AUTH_METHOD_INTERACTIVE))
        return status;
    tried(login, "keyboard-interactive");
    for (int i = 0, rounds = 0; i < login->link->settings.prompts && status == SSH_AUTH_DENIED;
         i++) {
        status = link_step(login->link, step_interactive, NULL, PERSON_TIMEOUT_MS);
        while (status == SSH_AUTH_INFO && rounds++ < ROUNDS_MAX) {
            int asked = answer_prompts(login);
            if (asked == -ECANCELED || asked == -ECONNRESET)
                return asked;
            if (asked < 0)
                return SSH_AUTH_DENIED; /* declined: libssh has no word for that to the server */
            status = link_step(login->link, step_interactive, NULL, PERSON_TIMEOUT_MS);
        }
    }
    return status == SSH_AUTH_INFO ? SSH_AUTH_DENIED : status;
}

static int try_password(struct login *login)
{
    int status = SSH_AUTH_DENIED;
    char title[512], secret[SECRET_MAX];
    if (!login->link->settings.password || !accepts(login, SSH_AUTH_METHOD_PASSWORD))
        return status;
    tried(login, "password");
    snprintf(title, sizeof(title), "Password for %s@%s", login->link->settings.user,
             login->link->settings.host);
    for (int i = 0; i < login->link->settings.prompts && status == SSH_AUTH_DENIED; i++) {
        int asked = ask(login, QUESTION_SECRET, title,
                        i > 0 ? "The server refused that one, try again." : "", secret);
        if (asked < 0) {
            status = asked == -ECANCELED || asked == -ECONNRESET ? asked : SSH_AUTH_DENIED;
            break;
        }
        login->secret = secret;
        status = link_step(login->link, step_password, login, PERSON_TIMEOUT_MS);
    }
    login->secret = NULL;
    explicit_bzero(secret, sizeof(secret));
    return status;
}

static void list_methods(int methods, char *out, size_t size)
{
    static const struct {
        int method;
        const char *name;
    } names[] = {{SSH_AUTH_METHOD_PUBLICKEY, "publickey"},
                 {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive"},
                 {SSH_AUTH_METHOD_PASSWORD, "password"},
                 {SSH_AUTH_METHOD_HOSTBASED, "hostbased"},
                 {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi"}};
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && len < size; i++) {
        if ((methods & names[i].method) != 0)
            len +=
                (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", names[i].name);
    }
}

static int explain(struct login *login)
{
    struct ssh_link *link = login->link;
    const struct ssh_settings *settings = &link->settings;
    char methods[128];
    list_methods(ssh_userauth_list(link->session, NULL), methods, sizeof(methods));
    link->fatal = true;
    return link_fail(link, -EACCES, "%s does not let %s in: tried %.160s; it accepts %s. %s",
                     settings->host, settings->user,
                     login->tried.len > 0 ? login->tried.data : "nothing, there is no key",
                     methods[0] != '\0' ? methods : "nothing that is known",
                     login->unasked ? "Nobody is there to be asked: load the key into an agent "
                                      "(ssh-add)."
                                    : "Add your public key to its authorized_keys, or name the "
                                      "right one with IdentityFile in your ssh_config.");
}

/* A negative result of a step: why? */
static int broken(struct ssh_link *link, int status)
{
    if (status == -ECANCELED || (link->error.code != 0 && status != SSH_AUTH_ERROR))
        return status;
    if (ssh_is_connected(link->session))
        return link_fail(link, -EPROTO, "the login at %s failed: %s", link->settings.host,
                         link_reason(link));
    return link_fail(
        link, -ECONNRESET,
        "%s closed the connection during the login (%s): too many keys tried, or sshd's "
        "LoginGraceTime",
        link->settings.host, link_reason(link));
}

static int run(struct login *login)
{
    static int (*const methods[])(struct login *) = {try_keys, try_interactive, try_password};
    struct ssh_link *link = login->link;
    int status = SSH_AUTH_DENIED;
    /* SSH_AUTH_PARTIAL: that was right, and something more is wanted. */
    for (size_t i = 0; i < 3; i++) {
        status = methods[i](login);
        if (i == 0 && status == SSH_AUTH_DENIED && ssh_userauth_list(link->session, NULL) == 0)
            status = link_step(link, step_none, NULL, KEY_TIMEOUT_MS);
        if (status == SSH_AUTH_SUCCESS || status < 0)
            break;
    }
    return status;
}

int link_login(struct ssh_link *link)
{
    struct login login = {.link = link};
    buf_init(&login.tried, 512);
    int status = run(&login);
    if (status < 0)
        status = broken(link, status);
    else if (status != SSH_AUTH_SUCCESS)
        status = explain(&login);
    else
        status = 0;
    buf_done(&login.tried);
    return status;
}
