#!/bin/sh
# A Chromium for the browser tests: one that is there, else Debian's, else Playwright's own. First argument: the
# environment's folder of programs. TWT_CHROMIUM names one that is somewhere else.
set -u
for name in "${TWT_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
  if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release; then
  echo "installing Debian's chromium for the browser tests"
  export DEBIAN_FRONTEND=noninteractive
  # Twice: a mirror may fail once.
  for _ in 1 2; do
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
  done
fi
echo "installing Playwright's chromium for the browser tests"
"$1/playwright" install chromium && exit 0
echo "make: the browser tests need Chromium or Chrome. Install one (Debian: apt install chromium), or name it:" >&2
echo "make: TWT_CHROMIUM=/path/to/chromium make test" >&2
exit 1
