"""The bundled serving app: bare ASGI, no Django. It knows the registry only as a serving snapshot."""
