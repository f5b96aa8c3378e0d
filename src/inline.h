/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For what every command goes through: made anew for each caller, so that what is constant there costs nothing. Not
 * in a build that is not optimized, where a branch that is counted shall be one of the source.
 */
#ifndef WRASSE_INLINE_H
#define WRASSE_INLINE_H

#ifdef __OPTIMIZE__
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE inline
#endif

#endif
