"""What every service stands on: bus, web, settings, auth, logs, storage. Knows no business."""
