#!/bin/sh
# Makes the secret files that compose.yaml names, once: a file that exists is left as it is.
#
#     sh deploy/make-secrets.sh                        asks for the mail server's address
#     sh deploy/make-secrets.sh < file-with-the-address
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
# Containers run as other users and must be able to read the files that are mounted into them; on this machine the folder
# keeps everybody else out.
chmod 700 secrets
cd secrets

keep() {
    if [ ! -e "$1" ]; then
        printf '%s' "$2" > "$1"
        chmod 644 "$1"
    fi
}

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

if [ ! -e smtp_url ]; then
    if [ -t 0 ]; then
        printf 'Mail server, such as smtp://user:password@mail.example.com:587 (STARTTLS) or smtps://...:465 (TLS): ' >&2
    fi
    IFS= read -r smtp_url || [ -n "${smtp_url:-}" ]
    case "$smtp_url" in
        smtp://?* | smtps://?*) keep smtp_url "$smtp_url" ;;
        *) echo 'The address must begin with smtp:// or smtps://' >&2; exit 1 ;;
    esac
fi

keep secret_key "$(random)"
keep postgres_password "$(random)"
keep owner_password "$(random)"
keep app_password "$(random)"
keep backup_password "$(random)"
keep valkey_password "$(random)"
keep valkey_conf "requirepass $(cat valkey_password)
"
keep database_url "postgresql://portillon_app:$(cat app_password)@postgres:5432/portillon"
keep migration_database_url "postgresql://portillon_owner:$(cat owner_password)@postgres:5432/portillon"
keep redis_url "redis://:$(cat valkey_password)@valkey:6379/0"
