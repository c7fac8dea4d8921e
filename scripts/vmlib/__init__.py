# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/vm and the test runners are made of."""
