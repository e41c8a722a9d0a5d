// SPDX-License-Identifier: MIT
/* What ndma does for who types: see _interactive.py. */
#include "internal.h"

int ext_interactive_attach(void)
{
	PyObject *module, *result = NULL;

	if (!PyDict_GetItemString(PyImport_GetModuleDict(), "IPython"))
		return 0;
	module = PyImport_ImportModule("ndma._interactive");
	if (module)
		result = PyObject_CallMethod(module, "attach", NULL);
	Py_XDECREF(module);
	Py_XDECREF(result);
	return result ? 0 : -1;
}
