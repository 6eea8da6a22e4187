"""Function apps, as Azure has them: loaded, registered with a hub, called over HTTP and on schedules."""
