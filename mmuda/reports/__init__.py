# Copyright (c) mmuda authors. Licensed under Apache-2.0.
