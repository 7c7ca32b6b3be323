#!/bin/sh
# Answers !time, !roll, !echo and !help in rooms and in direct messages: examples/bot.sh --name dice
set -eu
if [ -z "${MESSAGE_TYPE-}" ]; then BOT=$0; export BOT; exec chinwag on --run 'exec sh "$BOT"' "$@"; fi
case $MESSAGE_TEXT in
    '!time') date -u ;;
    '!roll') awk 'BEGIN { srand(); print 1 + int(6 * rand()) }' ;;
    '!echo '*) printf '%s said: %s\n' "$MESSAGE_SENDER" "${MESSAGE_TEXT#'!echo '}" ;;
    '!help') echo '!time, !roll, !echo WORDS, !help' ;;
esac
