// SPDX-License-Identifier: MIT
/* What ndma does for who types: see _interactive.py and _html.py. */
#include "internal.h"
#include "types.h"

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

PyObject *ext_repr_html(PyObject *self, PyObject *unused)
{
	PyObject *module = PyImport_ImportModule("ndma._html");
	PyObject *html = module ? PyObject_CallMethod(module, "show", "O", self) : NULL;

	Py_XDECREF(module);
	return html;
}
