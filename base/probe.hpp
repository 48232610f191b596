#pragma once

/**
 * BELAY_PROBE(name, arguments...): a static probe (USDT) of provider "belay", for bpftrace(8), perf(1) and SystemTap;
 * README.md lists them.  While nobody looks it costs one nop: arguments are to be values that are at hand, up to 12
 * numbers and addresses.  There are none where sys/sdt.h (systemtap-sdt-dev) is not installed at build.
 */
#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define BELAY_PROBE(...) STAP_PROBEV(belay, __VA_ARGS__)
#else
#define BELAY_PROBE(...) static_cast<void>(0)
#endif
