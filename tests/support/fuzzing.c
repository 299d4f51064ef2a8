/* libFuzzer's entry points: each input goes to `one` of support/fuzzing.py, as bytes. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *one;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    PyObject *module;
    (void)argc;
    (void)argv;
    Py_InitializeEx(0);
    module = PyImport_ImportModule("support.fuzzing");
    one = module == NULL ? NULL : PyObject_GetAttrString(module, "one");
    if (one == NULL) {
        PyErr_Print();
        exit(1);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *result = bytes == NULL ? NULL : PyObject_CallOneArg(one, bytes);
    if (result == NULL) {
        PyErr_Print();
        abort();
    }
    Py_DECREF(result);
    Py_DECREF(bytes);
    return 0;
}
